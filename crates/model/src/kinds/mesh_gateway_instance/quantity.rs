//! Amounts as Kubernetes writes them: `2`, `500m`, `1.5`, `512Mi`, `1G`.

/// Suffixes, and what each multiplies by, in thousandths.
const SUFFIXES: [(&str, u64); 10] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("m", 1),
    ("", 1000),
];
/// Digits after the point that count.
const DECIMALS: usize = 3;

/// The amount in thousandths; `None` for what is none, or too much for any machine.
pub(super) fn milli(text: &str) -> Option<u64> {
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > DECIMALS || !are_digits(whole) || !are_digits(decimals)
    {
        return None;
    }
    // `1.5` is 1500 of 1000.
    let scaled: u64 = format!("{whole}{decimals:0<DECIMALS$}").parse().ok()?;
    let product = u128::from(scaled) * u128::from(factor);
    u64::try_from(product.div_ceil(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read() {
        for (text, expected) in [
            ("2", Some(2000)),
            ("0", Some(0)),
            ("500m", Some(500)),
            ("1.5", Some(1500)),
            ("0.001", Some(1)),
            ("1Ki", Some(1_024_000)),
            ("512Mi", Some(512 * 1_024_000 * 1024)),
            ("1.5k", Some(1_500_000)),
            ("2G", Some(2_000_000_000_000)),
            ("", None),
            ("m", None),
            (".5", None),
            ("-1", None),
            ("+1", None),
            ("1 Mi", None),
            ("1.0001", None),
            ("1e3", None),
            ("2 cores", None),
            ("99999999999999999999", None),
            ("999999999Ti", None),
        ] {
            assert_eq!(milli(text), expected, "{text:?}");
        }
    }
}
