//! What stands in a webhook's CA bundle: facts about its certificates, never the bundle itself.

use jiff::Timestamp;
use meshcheck_suites::evidence::{CaBundle, CertificateFacts};
use x509_parser::pem::Pem;

/// The facts about a bundle.
pub(crate) fn facts(bundle: &[u8]) -> CaBundle {
    let mut facts = CaBundle { bytes: bundle.len(), ..CaBundle::default() };
    for block in Pem::iter_from_buffer(bundle) {
        match block.map_err(|error| error.to_string()).and_then(|block| certificate(&block)) {
            Ok(certificate) => facts.certificates.push(certificate),
            Err(reason) => {
                facts.error = Some(reason);
                return facts;
            }
        }
    }
    if facts.certificates.is_empty() && facts.bytes > 0 {
        facts.error = Some("it holds no PEM block".into());
    }
    facts
}

fn certificate(block: &Pem) -> Result<CertificateFacts, String> {
    if block.label != "CERTIFICATE" {
        // The label alone: what is in there may be secret.
        return Err("it holds a PEM block that is no certificate".into());
    }
    let certificate = block.parse_x509().map_err(|error| error.to_string())?;
    let time = |seconds: i64| Timestamp::from_second(seconds).map_err(|error| error.to_string());
    Ok(CertificateFacts {
        subject: certificate.subject().to_string(),
        not_before: time(certificate.validity().not_before.timestamp())?,
        not_after: time(certificate.validity().not_after.timestamp())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn empty_certificate_bundle_is_read() {
        assert_eq!(facts(b""), CaBundle::default());
    }

    #[rstest]
    #[case(b"not a certificate at all")]
    #[case(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    #[case(b"-----BEGIN CERTIFICATE-----\n%%%%\n")]
    fn unparsable_certificate_has_a_reason(#[case] bundle: &[u8]) {
        let facts = facts(bundle);
        assert!(facts.error.is_some() && facts.certificates.is_empty(), "{facts:?}");
    }

    #[test]
    fn private_key_is_not_read() {
        let bundle = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
        let facts = facts(bundle);
        assert!(!format!("{facts:?}").contains("c2VjcmV0"));
        assert!(facts.error.is_some());
    }

    proptest! {
        #[test]
        fn random_bytes_cause_no_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            inside in "[A-Za-z0-9+/=\n]{0,120}",
        ) {
            let block = format!("-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n");
            for bundle in [&bytes[..], block.as_bytes()] {
                let facts = facts(bundle);
                prop_assert_eq!(facts.bytes, bundle.len());
                // Nothing at all, certificates, or the reason why there is none.
                prop_assert!(bundle.is_empty() || facts.error.is_some() || !facts.certificates.is_empty());
            }
        }
    }
}
