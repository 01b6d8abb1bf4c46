#![allow(clippy::unwrap_used)] // Tests may panic.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SignatureAlgorithm,
};

use super::{
    der::{INTEGER, OCTET_STRING, Reader, SEQUENCE},
    *,
};

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A certificate that signs itself.
fn own(algorithm: &'static SignatureAlgorithm, name: &str) -> (String, KeyPair) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    (named(name).self_signed(&key).unwrap().pem(), key)
}

fn parse(parts: &[&str]) -> Result<Bundle, BundleError> {
    Bundle::parse(parts.concat().as_bytes())
}

/// What is inside PKCS #8.
fn inner(key: &KeyPair) -> Vec<u8> {
    let der = key.serialize_der();
    let mut pkcs8 = Reader::sequence(&der).unwrap();
    pkcs8.take(INTEGER).unwrap();
    pkcs8.take(SEQUENCE).unwrap();
    pkcs8.take(OCTET_STRING).unwrap().to_vec()
}

#[test]
fn every_algorithm_comes_back_as_it_was() {
    let cases = [
        (&PKCS_ECDSA_P256_SHA256, KeyType::Ecdsa),
        (&PKCS_ECDSA_P384_SHA384, KeyType::Ecdsa),
        (&PKCS_RSA_SHA256, KeyType::Rsa),
    ];
    for (algorithm, expected) in cases {
        let (certificate, key) = own(algorithm, "a");
        let bundle = parse(&["a comment\n", &key.serialize_pem(), &certificate]).unwrap();
        let [pair] = bundle.pairs() else {
            panic!("{bundle:?}")
        };
        assert_eq!(pair.key_type(), expected);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&pair.chain_pem()), lines(&certificate));
        assert_eq!(lines(&pair.key_pem()), lines(&key.serialize_pem()));
    }
}

#[test]
fn certificates_are_taken_without_the_keys_beside_them() {
    let (one, key) = own(&PKCS_ECDSA_P256_SHA256, "one");
    let (two, _) = own(&PKCS_ECDSA_P256_SHA256, "two");
    let text = ["a comment\n", &one, &key.serialize_pem(), &two].concat();
    let taken = certificates_pem(text.as_bytes()).unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&taken), lines(&(one + &two)));
    let nothing = certificates_pem(key.serialize_pem().as_bytes());
    assert_eq!(nothing, Err(BundleError::NoCertificate));
}

#[test]
fn a_pair_is_of_the_first_key_and_of_the_certificates_beside_which_it_does_not_stand() {
    let (one, one_key) = own(&PKCS_ECDSA_P256_SHA256, "one");
    let (two, two_key) = own(&PKCS_ECDSA_P256_SHA256, "two");
    let keys = [
        one_key.serialize_pem(),
        two_key.serialize_pem(),
        two.clone(),
    ]
    .concat();
    let certificates = [two.as_str(), &one, &two_key.serialize_pem()].concat();
    let pair = Pair::of(certificates.as_bytes(), keys.as_bytes()).unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&pair.chain_pem()), lines(&one));
    assert_eq!(lines(&pair.key_pem()), lines(&one_key.serialize_pem()));

    let both = [one, one_key.serialize_pem()].concat();
    let other = Pair::of(two.as_bytes(), both.as_bytes());
    assert_eq!(other.unwrap_err(), BundleError::Mismatch(1));
    let none = Pair::of(both.as_bytes(), two.as_bytes());
    assert_eq!(none.unwrap_err(), BundleError::NoKey);
}

#[test]
fn older_key_formats_keep_their_own() {
    let (certificate, key) = own(&PKCS_RSA_SHA256, "a");
    let pkcs1 = pem::section("RSA PRIVATE KEY", &inner(&key));
    assert_eq!(
        parse(&[&certificate, &pkcs1]).unwrap().pairs()[0].key_pem(),
        pkcs1
    );

    let (certificate, key) = own(&PKCS_ECDSA_P256_SHA256, "a");
    // Inside PKCS #8 the curve is left out; alone SEC 1 names it between the key and the point.
    let inside = inner(&key);
    let mut reader = Reader::sequence(&inside).unwrap();
    let mut content = reader.take_whole(INTEGER).unwrap().to_vec();
    content.extend_from_slice(reader.take_whole(OCTET_STRING).unwrap());
    content.extend_from_slice(b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
    let mut sec1 = vec![SEQUENCE, u8::try_from(content.len()).unwrap()];
    sec1.extend(content);
    let sec1 = pem::section("EC PRIVATE KEY", &sec1);
    let parameters = pem::section("EC PARAMETERS", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
    let bundle = parse(&[&parameters, &sec1, &certificate]).unwrap();
    assert_eq!(bundle.pairs()[0].key_pem(), sec1);
}

#[test]
fn chains_are_put_in_order_and_keys_find_their_certificates() {
    let authority = |name: &str| {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let key = || KeyPair::generate().unwrap();
    let (root_key, middle_key, a_key) = (key(), key(), key());
    let root = authority("root").self_signed(&root_key).unwrap();
    let by_root = Issuer::new(authority("root"), root_key);
    let middle = authority("middle")
        .signed_by(&middle_key, &by_root)
        .unwrap();
    let by_middle = Issuer::new(authority("middle"), middle_key);
    let a = named("a").signed_by(&a_key, &by_middle).unwrap();
    let (b, b_key) = own(&PKCS_RSA_SHA256, "b");
    let (stranger, _) = own(&PKCS_ECDSA_P256_SHA256, "stranger");

    let a_key = a_key.serialize_pem();
    let text = [
        root.pem(),
        b,
        stranger,
        a_key.clone(),
        middle.pem(),
        a.pem(),
        b_key.serialize_pem(),
        a_key,
    ];
    let bundle = parse(&text.each_ref().map(String::as_str)).unwrap();
    let chains: Vec<_> = bundle.pairs().iter().map(Pair::chain).collect();
    assert_eq!(
        chains[0],
        [a.der(), middle.der(), root.der()].map(|der| Bytes::copy_from_slice(der))
    );
    assert_eq!((chains.len(), chains[1].len()), (2, 1));
    let types: Vec<_> = bundle.pairs().iter().map(Pair::key_type).collect();
    assert_eq!(types, [KeyType::Ecdsa, KeyType::Rsa]);
}

#[test]
fn what_cannot_work_is_refused() {
    let (certificate, key) = own(&PKCS_ECDSA_P256_SHA256, "a");
    let key = key.serialize_pem();
    let (_, other) = own(&PKCS_ECDSA_P256_SHA256, "b");
    let (other, edwards) = (other.serialize_pem(), own(&PKCS_ED25519, "c"));
    let edwards = (edwards.0, edwards.1.serialize_pem());
    let broken = |label| pem::section(label, b"no DER");
    let pem = |reason: &str| BundleError::Pem(reason.to_owned());
    let cases: [(&[&str], BundleError); 11] = [
        (&[], BundleError::NoCertificate),
        (&["no PEM"], BundleError::NoCertificate),
        (&[&key], BundleError::NoCertificate),
        (&[&certificate], BundleError::NoKey),
        (&[&certificate, &other], BundleError::Mismatch(1)),
        (&[&certificate, &key, &other], BundleError::Mismatch(2)),
        (&[&edwards.0, &edwards.1], BundleError::Unsupported(1)),
        (&[&broken("CERTIFICATE"), &key], BundleError::Certificate(1)),
        (&[&certificate, &broken("PRIVATE KEY")], BundleError::Key(1)),
        (
            &[&certificate, &key[..80]],
            pem("a section has no END line"),
        ),
        (
            &[&certificate, &pem::section("ENCRYPTED PRIVATE KEY", b"x")],
            BundleError::Encrypted,
        ),
    ];
    for (parts, expected) in cases {
        assert_eq!(parse(parts), Err(expected));
    }
}

#[test]
fn short_rsa_keys_are_refused() {
    // Version 0, a modulus of 1024 bits; the rest does not matter.
    let mut numbers = vec![0x02, 0x01, 0x00, 0x02, 0x81, 0x81, 0x00, 0x80];
    numbers.resize(3 + 3 + 129, 1);
    let mut der = vec![SEQUENCE, 0x81, u8::try_from(numbers.len()).unwrap()];
    der.extend(numbers);
    let (certificate, _) = own(&PKCS_ECDSA_P256_SHA256, "a");
    let weak = pem::section("RSA PRIVATE KEY", &der);
    assert_eq!(
        parse(&[&certificate, &weak]),
        Err(BundleError::Weak {
            position: 1,
            bits: 1024
        })
    );
}

#[test]
fn no_part_of_a_key_is_shown() {
    let (certificate, key) = own(&PKCS_ECDSA_P256_SHA256, "a");
    let bundle = parse(&[&certificate, &key.serialize_pem()]).unwrap();
    assert_eq!(
        format!("{bundle:?}"),
        "Bundle { pairs: [Pair { certificates: 1, key_type: Ecdsa, .. }] }"
    );
}
