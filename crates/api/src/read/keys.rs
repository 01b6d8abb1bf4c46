//! Private keys that stand in resources themselves, and not in Secrets: shown to administrators alone.

use portolan_model::{Kind, kinds};
use serde_json::Value;

/// Stands for what is not shown. It is no key, so that it cannot be written back.
const HIDDEN: &str = "(hidden)";

/// Where a kind may have keys, each a source of data; `*` is every item of a list.
fn places(kind: Kind) -> &'static [&'static [&'static str]] {
    if kind == kinds::EXTERNAL_SERVICE {
        &[&["networking", "tls", "clientKey"]]
    } else if kind == kinds::MESH {
        &[&["mtls", "backends", "*", "conf", "key"]]
    } else if kind == kinds::MESH_GATEWAY {
        &[&["conf", "listeners", "*", "tls", "certificates", "*"]]
    } else {
        &[]
    }
}

/// Hides the keys in a resource of a kind.
pub(crate) fn hide(kind: Kind, resource: &mut Value) {
    for place in places(kind) {
        hide_at(resource, place);
    }
}

fn hide_at(value: &mut Value, place: &[&str]) {
    match place {
        [] => {
            for form in ["inline", "inlineString"] {
                if let Some(content) = value.get_mut(form) {
                    *content = HIDDEN.into();
                }
            }
        }
        ["*", rest @ ..] => {
            let items = value.as_array_mut().into_iter().flatten();
            items.for_each(|item| hide_at(item, rest));
        }
        [field, rest @ ..] => {
            if let Some(inner) = value.get_mut(*field) {
                hide_at(inner, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_hidden_and_nothing_else() {
        let source = |content: &str| json!({ "inline": content });
        let external = |key: &str| {
            json!({ "networking": { "address": "a:1", "tls": {
                "caCert": source("ca"), "clientCert": source("cert"), "clientKey": source(key),
            } } })
        };
        let mesh = |key: &str| {
            json!({ "mtls": { "backends": [
                { "name": "a", "conf": { "cert": source("cert"), "key": { "inlineString": key } } },
                { "name": "b", "conf": { "key": { "secret": "k" } } },
                { "name": "c" },
            ] } })
        };
        let gateway = |bundle: &str| {
            json!({ "conf": { "listeners": [
                { "port": 80 },
                { "port": 443, "tls": { "certificates": [source(bundle), { "secret": "s" }] } },
            ] } })
        };
        type Case<'a> = (Kind, &'a dyn Fn(&str) -> Value);
        let cases: [Case<'_>; 3] = [
            (kinds::EXTERNAL_SERVICE, &external),
            (kinds::MESH, &mesh),
            (kinds::MESH_GATEWAY, &gateway),
        ];
        for (kind, of) in cases {
            let mut shown = of("key");
            hide(kind, &mut shown);
            assert_eq!(shown, of(HIDDEN));
        }
        let mut other = external("key");
        hide(kinds::TIMEOUT, &mut other);
        assert_eq!(other, external("key"));
    }
}
