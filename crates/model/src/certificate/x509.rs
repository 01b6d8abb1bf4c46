//! What a certificate says of itself, as far as it decides its place in a chain.

use super::{
    der::{INTEGER, Reader, SEQUENCE, context},
    key::{KeyError, PublicKey},
};

/// The parts of a certificate that decide its place.
pub(super) struct Certificate<'a> {
    /// Who vouches for it, in DER.
    pub(super) issuer: &'a [u8],
    /// Whom it names, in DER.
    pub(super) subject: &'a [u8],
    /// The key that it vouches for, or why Envoy cannot use it.
    pub(super) public_key: Result<PublicKey<'a>, KeyError>,
}

impl<'a> Certificate<'a> {
    /// Reads one; `None` if it is none.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut body = Reader::sequence(der)?.enter(SEQUENCE)?;
        // Absent in version 1.
        let _version = body.take(context(0));
        let _serial_number = body.take(INTEGER)?;
        let _signature = body.take(SEQUENCE)?;
        let issuer = body.take_whole(SEQUENCE)?;
        let _validity = body.take(SEQUENCE)?;
        let subject = body.take_whole(SEQUENCE)?;
        let public_key = PublicKey::of_info(body.enter(SEQUENCE)?);
        Some(Self {
            issuer,
            subject,
            public_key,
        })
    }
}
