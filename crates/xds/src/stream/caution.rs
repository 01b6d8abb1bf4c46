//! How the bad resource of a refused response is found, so that the good ones get through.

use std::{collections::BTreeSet, sync::Arc};

use crate::resource::Resource;

/// After a refusal less is sent at a time: half, a quarter, one, and twice as much after each success.
#[derive(Debug)]
pub(super) struct Caution {
    at_once: usize,
    /// Named by the proxy; they go last.
    suspects: BTreeSet<Arc<str>>,
}

impl Caution {
    /// After a response with several resources was refused for this reason.
    pub(super) fn after(names: Vec<Arc<str>>, message: &str) -> Self {
        let sent = names.len();
        let mut suspects: BTreeSet<_> = names
            .into_iter()
            .filter(|name| is_named(name, message))
            .collect();
        let others = sent - suspects.len();
        if others == 0 {
            suspects.clear();
        }
        let at_once = if suspects.is_empty() {
            sent / 2
        } else {
            others
        };
        Self {
            at_once: at_once.max(1),
            suspects,
        }
    }

    /// After a response was taken.
    pub(super) fn relaxed(self) -> Self {
        Self {
            at_once: self.at_once.saturating_mul(2),
            ..self
        }
    }

    /// Leaves what is to be sent now.
    pub(super) fn limit(&self, resources: &mut Vec<(Arc<str>, Resource)>) {
        if resources
            .iter()
            .any(|(name, _)| !self.suspects.contains(name))
        {
            resources.retain(|(name, _)| !self.suspects.contains(name));
        }
        resources.truncate(self.at_once);
    }
}

/// Whether a message has the name as a word of its own.
fn is_named(name: &str, message: &str) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || "-_.".contains(char);
    message.match_indices(name).any(|(start, _)| {
        let (before, after) = (&message[..start], &message[start + name.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn left(caution: &Caution, names: &[&str]) -> Vec<String> {
        let resource = Resource {
            version: "1".into(),
            body: Bytes::new(),
        };
        let mut resources: Vec<_> = names
            .iter()
            .map(|name| (Arc::from(*name), resource.clone()))
            .collect();
        caution.limit(&mut resources);
        resources.iter().map(|(name, _)| name.to_string()).collect()
    }

    fn after(names: &[&str], message: &str) -> Caution {
        Caution::after(names.iter().map(|name| Arc::from(*name)).collect(), message)
    }

    #[test]
    fn what_the_message_names_goes_last() {
        let caution = after(&["good", "bad", "fine"], "Error adding listener bad: no");
        assert_eq!(left(&caution, &["good", "bad", "fine"]), ["good", "fine"]);
        assert_eq!(left(&caution, &["bad"]), ["bad"]);
    }

    #[test]
    fn a_name_is_a_word() {
        let message = "Error adding/updating listener(s) edge:HTTP:8080: no, 'b'";
        for (name, named) in [
            ("edge:HTTP:8080", true),
            ("edge:HTTP:80", false),
            ("listen", false),
            ("b", true),
        ] {
            assert_eq!(is_named(name, message), named, "{name}");
        }
    }

    #[test]
    fn without_a_name_it_is_halved_and_then_doubled() {
        for message in ["no", "a b c d are all wrong"] {
            let caution = after(&["a", "b", "c", "d"], message);
            assert_eq!(left(&caution, &["a", "b", "c", "d"]), ["a", "b"]);
            let caution = caution.relaxed();
            assert_eq!(
                left(&caution, &["a", "b", "c", "d", "e"]),
                ["a", "b", "c", "d"]
            );
        }
    }
}
