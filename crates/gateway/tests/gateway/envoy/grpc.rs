//! Just enough HTTP/2 for a backend of gRPC: every call gets a status and nothing else.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// What clients begin with.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

// Types of frames.
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;

// Flags of frames.
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

struct Frame {
    r#type: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// Answers each call on a connection with the status that `next` says, in headers that are trailers too.
pub(super) fn answer_each(mut stream: TcpStream, next: impl Fn() -> u8) {
    let mut preface = [0; PREFACE];
    if stream.read_exact(&mut preface).is_err() {
        return;
    }
    let mut written = write(&mut stream, SETTINGS, 0, 0, &[]);
    while written.is_some() {
        let Some(frame) = read(&mut stream) else {
            return;
        };
        let acknowledged = frame.flags & ACK != 0;
        written = match frame.r#type {
            HEADERS => {
                let flags = END_STREAM | END_HEADERS;
                write(&mut stream, HEADERS, flags, frame.stream, &head(next()))
            }
            SETTINGS if !acknowledged => write(&mut stream, SETTINGS, ACK, 0, &[]),
            PING if !acknowledged => write(&mut stream, PING, ACK, 0, &frame.payload),
            _ => Some(()),
        };
    }
}

/// `:status: 200`, the type of gRPC and the status of the call.
fn head(status: u8) -> Vec<u8> {
    // Number 8 of the table that all know.
    let mut head = vec![0x80 | 8];
    let status = status.to_string();
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("grpc-status", &status),
    ] {
        // A literal that is put into no table.
        head.push(0);
        for text in [name, value] {
            head.push(u8::try_from(text.len()).unwrap());
            head.extend_from_slice(text.as_bytes());
        }
    }
    head
}

fn read(stream: &mut TcpStream) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).ok()?];
    stream.read_exact(&mut payload).ok()?;
    Some(Frame {
        r#type: head[3],
        flags: head[4],
        stream: u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]),
        payload,
    })
}

fn write(stream: &mut TcpStream, r#type: u8, flags: u8, of: u32, payload: &[u8]) -> Option<()> {
    let length = u32::try_from(payload.len()).ok()?.to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], r#type, flags];
    frame.extend_from_slice(&of.to_be_bytes());
    frame.extend_from_slice(payload);
    stream.write_all(&frame).ok()
}
