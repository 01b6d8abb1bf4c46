//! Protobuf messages put together from parts that are already encoded.
//!
//! A route table of ten thousand routes is a few messages around ten thousand pieces that seldom
//! change. Building them as values and encoding these costs many times what copying the pieces costs.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

/// A message that is being put together. Parts are encoded in the order in which they are added.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    parts: Vec<Part<'a>>,
    length: usize,
}

#[derive(Debug)]
enum Part<'a> {
    /// Whole fields, with their keys.
    Fields(Cow<'a, [u8]>),
    /// A string, bytes or an encoded message.
    Field(u32, Cow<'a, [u8]>),
    /// A message in its turn.
    Message(u32, Message<'a>),
}

impl<'a> Message<'a> {
    /// Adds the fields of an encoded message of the same type.
    pub(super) fn fields(mut self, fields: impl Into<Cow<'a, [u8]>>) -> Self {
        let fields = fields.into();
        self.length += fields.len();
        self.parts.push(Part::Fields(fields));
        self
    }

    /// Adds a field of type string or bytes, or of a message that is already encoded.
    pub(super) fn field(mut self, number: u32, content: impl Into<Cow<'a, [u8]>>) -> Self {
        self.push(number, content.into());
        self
    }

    /// As [`field`](Self::field), in place.
    pub(super) fn push(&mut self, number: u32, content: Cow<'a, [u8]>) {
        self.length += framed(number, content.len());
        self.parts.push(Part::Field(number, content));
    }

    /// Adds a field of type message.
    pub(super) fn message(mut self, number: u32, message: Message<'a>) -> Self {
        self.push_message(number, message);
        self
    }

    /// As [`message`](Self::message), in place.
    pub(super) fn push_message(&mut self, number: u32, message: Message<'a>) {
        self.length += framed(number, message.length);
        self.parts.push(Part::Message(number, message));
    }

    /// The encoded message.
    pub(super) fn encode(&self) -> Bytes {
        let mut buffer = BytesMut::with_capacity(self.length);
        self.write(&mut buffer);
        buffer.freeze()
    }

    fn write(&self, buffer: &mut BytesMut) {
        for part in &self.parts {
            match part {
                Part::Fields(fields) => buffer.put_slice(fields),
                Part::Field(number, content) => {
                    frame(*number, content.len(), buffer);
                    buffer.put_slice(content);
                }
                Part::Message(number, message) => {
                    frame(*number, message.length, buffer);
                    message.write(buffer);
                }
            }
        }
    }
}

fn framed(number: u32, length: usize) -> usize {
    key_len(number) + encoded_len_varint(length as u64) + length
}

fn frame(number: u32, length: usize, buffer: &mut BytesMut) {
    encode_key(number, WireType::LengthDelimited, buffer);
    encode_varint(length as u64, buffer);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use envoy_types::pb::envoy::config::route::v3::{Route, RouteConfiguration, VirtualHost};
    use prost::Message as _;

    use super::*;

    #[test]
    fn parts_decode_as_the_message_that_they_make() {
        let route = Route {
            name: "r".repeat(300),
            ..Route::default()
        };
        let host = VirtualHost {
            name: "h".to_owned(),
            domains: vec!["a".to_owned(), "b".to_owned()],
            routes: vec![route.clone(), route.clone()],
            ..VirtualHost::default()
        };
        let whole = RouteConfiguration {
            name: "table".to_owned(),
            virtual_hosts: vec![host],
            ignore_port_in_host_matching: true,
            ..RouteConfiguration::default()
        };

        let piece = route.encode_to_vec();
        let host = Message::default()
            .field(1, b"h".as_slice())
            .field(2, b"a".as_slice())
            .field(2, b"b".as_slice())
            .field(3, &piece)
            .field(3, &piece);
        let frame = RouteConfiguration {
            virtual_hosts: Vec::new(),
            ..whole.clone()
        }
        .encode_to_vec();
        let encoded = Message::default().fields(frame).message(2, host).encode();

        assert_eq!(RouteConfiguration::decode(encoded).unwrap(), whole);
    }
}
