//! Which peers may be which zones: those whose token says so.

use std::sync::Arc;

use portolan_access::Tokens;
use portolan_kds::global::Admit;
use tracing::warn;

/// By tokens. With `anonymous`, a peer that shows none may be any zone; one that it shows must still be good.
pub(super) fn of_zones(tokens: Arc<Tokens>, anonymous: bool) -> Admit {
    if anonymous {
        warn!(
            "zones need no token here (--allow-anonymous-zones): whoever reaches the KDS port may be any zone, \
             and gets the secrets of all meshes"
        );
    }
    Arc::new(move |zone, token| {
        if anonymous && token.is_none() {
            return Ok(());
        }
        let admitted = tokens.admit_zone(zone, token);
        admitted.map_err(|refusal| refusal.to_string())
    })
}
