//! A protobuf message written field by field.
//!
//! Envoy's types for a route are thousands of bytes large and nearly empty: filling, measuring and
//! dropping ten thousand of them costs many times what writing their few fields costs.

use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    /// The encoded message.
    pub(super) fn finish(self) -> Box<[u8]> {
        self.buffer.into()
    }

    /// Adds a string, also an empty one.
    pub(super) fn text(&mut self, number: u32, text: &str) {
        self.frame(number, text.len());
        self.buffer.extend_from_slice(text.as_bytes());
    }

    /// Adds an integer, a boolean or an enumeration, also of value 0.
    pub(super) fn number(&mut self, number: u32, value: u64) {
        encode_key(number, WireType::Varint, &mut self.buffer);
        encode_varint(value, &mut self.buffer);
    }

    /// Adds a message.
    pub(super) fn message(&mut self, number: u32, message: &impl Message) {
        self.frame(number, message.encoded_len());
        message.encode_raw(&mut self.buffer);
    }

    /// Adds a message that `write` writes.
    pub(super) fn nested(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        let start = self.buffer.len();
        write(self);
        let end = self.buffer.len();
        // The length stands before the content, and is known after it.
        self.frame(number, end - start);
        let frame = self.buffer.len() - end;
        self.buffer[start..].rotate_right(frame);
    }

    fn frame(&mut self, number: u32, length: usize) {
        encode_key(number, WireType::LengthDelimited, &mut self.buffer);
        encode_varint(length as u64, &mut self.buffer);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use envoy_types::pb::envoy::config::route::v3::{
        RedirectAction, Route, RouteAction, RouteMatch, route, route_action::ClusterSpecifier,
        route_match::PathSpecifier,
    };

    use super::*;

    #[test]
    fn fields_decode_as_the_message_that_they_make() {
        let path = "/p".repeat(100);
        let mut writer = Writer::default();
        writer.text(14, "name");
        writer.nested(1, |matching| matching.text(14, &path));
        writer.nested(2, |action| {
            action.text(1, "cluster");
            action.number(20, 300);
        });
        let expected = Route {
            name: "name".to_owned(),
            r#match: Some(RouteMatch {
                path_specifier: Some(PathSpecifier::PathSeparatedPrefix(path)),
                ..RouteMatch::default()
            }),
            action: Some(route::Action::Route(RouteAction {
                cluster_specifier: Some(ClusterSpecifier::Cluster("cluster".to_owned())),
                cluster_not_found_response_code: 300,
                ..RouteAction::default()
            })),
            ..Route::default()
        };
        assert_eq!(Route::decode(&*writer.finish()).unwrap(), expected);
    }

    #[test]
    fn a_message_decodes_as_itself() {
        let redirect = RedirectAction {
            port_redirect: 443,
            ..RedirectAction::default()
        };
        let mut writer = Writer::default();
        writer.message(3, &redirect);
        let expected = Route {
            action: Some(route::Action::Redirect(redirect)),
            ..Route::default()
        };
        assert_eq!(Route::decode(&*writer.finish()).unwrap(), expected);
    }
}
