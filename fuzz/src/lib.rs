//! What must hold for any bytes at all: one function for each target, which panics where it does not.

pub mod certificate;
pub mod hostname_and_regex;
pub mod json;
pub mod wire;
pub mod yaml;
