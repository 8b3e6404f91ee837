//! Certificates that have expired, belong to others, or are signed by nobody whom we know.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

use crate::case::{Case, Place};
use crate::kubeconfig::mesh_at;
use crate::mesh::Mesh;
use crate::program::{Ended, arguments};
use crate::server::{Reply, Server, Way, kubeconfig};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("tls::good", "a server and a client whose certificates are good", |place| {
            let ca = authority("ca");
            let server = server(place, &ca, 2100, Some(true));
            let file = with_client(place, &ca, &server, 2100);
            mesh_at(place, &file).report(1)
        }),
        Case::new(
            "tls::unknown_ca",
            "a server whose certificate is signed by another CA",
            |place| {
                let server = server(place, &authority("other"), 2100, None);
                let file = trusting(place, &authority("ca"), &server, "token: abc");
                check(place, &file).error(3, &["127.0.0.1", "certificate"])
            },
        ),
        Case::new("tls::broken_ca", "a CA that is no certificate", |place| {
            let server = server(place, &authority("ca"), 2100, None);
            let cluster = "certificate-authority-data: aGVsbG8=";
            let file = place.file("kubeconfig", kubeconfig(&server.url(), cluster, "token: abc"));
            check(place, &file).error(3, &["127.0.0.1", "certificate"])
        }),
        Case::new("tls::expired_server", "a server whose certificate has expired", |place| {
            let ca = authority("ca");
            let server = server(place, &ca, 2020, None);
            let file = trusting(place, &ca, &server, "token: abc");
            check(place, &file).error(3, &["127.0.0.1", "has ended"])
        }),
        Case::new(
            "tls::expired_client",
            "a client certificate that has expired; the server says 401",
            |place| {
                let ca = authority("ca");
                let server = server(place, &ca, 2100, Some(false));
                let file = with_client(place, &ca, &server, 2020);
                check(place, &file).error(2, &["does not accept", "2020-01-01"])
            },
        ),
        Case::new(
            "tls::expired_client_refused",
            "the same; the server breaks the handshake off",
            |place| {
                let ca = authority("ca");
                let server = server(place, &ca, 2100, Some(true));
                let file = with_client(place, &ca, &server, 2020);
                check(place, &file).error(2, &["2020-01-01"])
            },
        ),
    ]
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate until the beginning of a year, with its key.
fn issued(ca: &Authority, name: &str, until: i32) -> (rcgen::Certificate, KeyPair) {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    parameters.not_before = date_time_ymd(2019, 1, 1);
    parameters.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    (parameters.signed_by(&key, ca).unwrap(), key)
}

/// A server of a mesh. It wants a client's certificate where it is told to, and answers 401 otherwise.
fn server(_: &Place, ca: &Authority, until: i32, clients: Option<bool>) -> Server {
    let (certificate, key) = issued(ca, "server", until);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        Some(true) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(ca.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
        _ => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    Server::on("127.0.0.1:0", Some(Arc::new(config)), move |request| {
        Way::Whole(match clients {
            Some(false) => Reply::status(401, "Unauthorized"),
            _ => Mesh::healthy().answer(request),
        })
    })
}

fn trusting(place: &Place, ca: &Authority, server: &Server, user: &str) -> PathBuf {
    place.file("ca.crt", ca.pem());
    place.file("kubeconfig", kubeconfig(&server.url(), "certificate-authority: ca.crt", user))
}

fn with_client(place: &Place, ca: &Authority, server: &Server, until: i32) -> PathBuf {
    let (certificate, key) = issued(ca, "vm", until);
    place.file("client.crt", certificate.pem());
    place.file("client.key", key.serialize_pem());
    trusting(place, ca, server, "client-certificate: client.crt\n    client-key: client.key")
}

fn check(place: &Place, kubeconfig: &Path) -> Ended {
    place.meshcheck(&arguments(&[&"check", &"--kubeconfig", &kubeconfig])).run()
}
