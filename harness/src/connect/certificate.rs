//! Certificates of the past: the client's own, and the server's.

use std::error::Error;
use std::io;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::config::AuthInfo;
use rustls::CertificateError;
use serde_json::Value;
use x509_parser::pem::Pem;

/// When the client's certificate ended, where it has.
pub(super) fn ended(credentials: &AuthInfo) -> Option<Timestamp> {
    // As the client's library orders them.
    let pem = match (&credentials.client_certificate_data, &credentials.client_certificate) {
        (Some(data), _) => {
            serde_json::from_value::<ByteString>(Value::String(data.clone())).ok()?.0
        }
        (None, Some(file)) => std::fs::read(file).ok()?,
        (None, None) => return None,
    };
    let first = Pem::iter_from_buffer(&pem).next()?.ok()?;
    let end = first.parse_x509().ok()?.validity().not_after.timestamp();
    Timestamp::from_second(end).ok().filter(|end| *end < Timestamp::now())
}

/// What is wrong with the time of the server's certificate, where that is why the connection was
/// broken off. The library counts seconds.
pub(super) fn untimely(error: &(dyn Error + 'static)) -> Option<String> {
    let time = |time: rustls::pki_types::UnixTime| {
        i64::try_from(time.as_secs()).ok().and_then(|it| Timestamp::from_second(it).ok())
    };
    match cause(error)? {
        CertificateError::ExpiredContext { not_after, .. } => {
            Some(format!("{BAD}: it ended {}, by this machine's clock", time(*not_after)?))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            Some(format!("{BAD}: it begins {}, by this machine's clock", time(*not_before)?))
        }
        _ => None,
    }
}

/// How what is wrong with a server's certificate begins, also in the library's words.
pub(super) const BAD: &str = "invalid peer certificate";

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e CertificateError> {
    let mut next = Some(error);
    while let Some(error) = next {
        // An error of reading that holds another one skips it when it is asked for its source.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inside = inside.and_then(|inside| inside.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(found)) =
            inside.or_else(|| error.downcast_ref())
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}
