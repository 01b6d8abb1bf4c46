//! Kinds of Kuma that are not there.

use serde_json::json;

use crate::support::{serve, zone};

#[tokio::test]
async fn kinds_of_kuma_that_are_not_there_have_empty_lists() {
    let served = serve(zone("east")).await;
    for path in [
        "/meshes/default/meshtimeouts",
        "/meshtimeouts",
        "/zoneegresses",
        "/zoneegresses/_overview",
        "/hostnamegenerators",
    ] {
        let answer = served.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.json(),
            json!({ "total": 0, "items": [], "next": null })
        );
    }
    let one = "/meshes/default/meshtimeouts/a";
    let answer = served.get(one).await;
    assert_eq!(
        (answer.status, &answer.json()["detail"]),
        (404, &json!("Not found"))
    );
    assert_eq!(served.get("/meshes/none/meshtimeouts").await.status, 404);
    let body = json!({ "type": "MeshTimeout", "mesh": "default", "name": "a" });
    let refused = served.put(one, &body).await;
    assert_eq!(refused.status, 405);
    assert!(
        refused.text().contains("no such kind"),
        "{}",
        refused.text()
    );
    assert_eq!(served.delete(one).await.status, 404);
    assert_eq!(served.get("/meshes/default/unknowns").await.status, 404);
}
