//! Just enough of DER to walk through certificates and keys.

/// Tag of an INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// Tag of a BIT STRING.
pub(super) const BIT_STRING: u8 = 0x03;
/// Tag of an OCTET STRING.
pub(super) const OCTET_STRING: u8 = 0x04;
/// Tag of an OBJECT IDENTIFIER.
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
/// Tag of a SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;

/// Tag of what a structure marks with `[number]`.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// The SEQUENCE of values that are encoded already.
pub(super) fn sequence(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = &length[content.len().leading_zeros() as usize / 8..];
    let mut der = vec![SEQUENCE];
    match content.len() {
        short @ ..=0x7f => der.push(short as u8),
        _ => {
            der.push(0x80 | digits.len() as u8);
            der.extend(digits);
        }
    }
    der.extend(content);
    der
}

/// Reads values one after the other. Everything that is broken or of another tag is `None`.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the one SEQUENCE that `der` is.
    pub(super) fn sequence(der: &'a [u8]) -> Option<Self> {
        Self(der).enter(SEQUENCE)
    }

    /// The content of the next value.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (content, rest) = self.split(tag)?;
        self.0 = rest;
        Some(content)
    }

    /// The next value with its tag and length, so that it can be compared.
    pub(super) fn take_whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (_, rest) = self.split(tag)?;
        let (whole, rest) = self.0.split_at(self.0.len() - rest.len());
        self.0 = rest;
        Some(whole)
    }

    /// A reader of what the next value holds.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self)
    }

    fn split(self, expected: u8) -> Option<(&'a [u8], &'a [u8])> {
        let [tag, length, rest @ ..] = self.0 else {
            return None;
        };
        if *tag != expected {
            return None;
        }
        let (length, rest) = match usize::from(*length) {
            short @ ..=0x7f => (short, rest),
            // More than four bytes of length is no certificate.
            long @ 0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(long - 0x80)?;
                let length = digits
                    .iter()
                    .fold(0, |length, digit| length << 8 | usize::from(*digit));
                (length, rest)
            }
            _ => return None,
        };
        rest.split_at_checked(length)
    }
}
