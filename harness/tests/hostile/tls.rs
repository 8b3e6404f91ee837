//! Certificates that have expired, belong to others, or are signed by nobody whom we know.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

use crate::Cases;
use crate::kubeconfig::mesh_at;
use crate::mesh::Mesh;
use crate::program::check;
use crate::sandbox::Sandbox;
use crate::server::{Reply, Server, kubeconfig};

/// The cases.
pub(crate) const CASES: Cases = &[
    ("good", |sandbox| {
        let ca = authority("ca");
        let server = server(&ca, 2100, Some(true));
        let file = with_client(sandbox, &ca, &server, 2100);
        mesh_at(sandbox, &file).report(1)
    }),
    ("unknown_ca", |sandbox| {
        let server = server(&authority("other"), 2100, None);
        let file = trusting(sandbox, &authority("ca"), &server, "token: abc");
        check(sandbox, &file).run().error(3, &["127.0.0.1", "certificate"])
    }),
    ("broken_ca", |sandbox| {
        let server = server(&authority("ca"), 2100, None);
        let cluster = "certificate-authority-data: aGVsbG8=";
        let file = sandbox.file("kubeconfig", kubeconfig(&server.url(""), cluster, "token: abc"));
        check(sandbox, &file).run().error(3, &["127.0.0.1", "certificate"])
    }),
    ("expired_server", |sandbox| {
        let ca = authority("ca");
        let server = server(&ca, 2020, None);
        let file = trusting(sandbox, &ca, &server, "token: abc");
        check(sandbox, &file).run().error(3, &["127.0.0.1", "has expired"])
    }),
    ("expired_client", |sandbox| {
        let ca = authority("ca");
        let server = server(&ca, 2100, Some(false));
        let file = with_client(sandbox, &ca, &server, 2020);
        check(sandbox, &file).run().error(2, &["does not accept", "2020-01-01"])
    }),
    ("expired_client_refused", |sandbox| {
        let ca = authority("ca");
        let server = server(&ca, 2100, Some(true));
        let file = with_client(sandbox, &ca, &server, 2020);
        check(sandbox, &file).run().error(2, &["2020-01-01"])
    }),
];

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

/// A server of a mesh. It asks for a client's certificate if the test says so, and answers 401 otherwise.
fn server(ca: &Authority, until: i32, clients: Option<bool>) -> Server {
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
    Server::on("127.0.0.1:0", Some(Arc::new(config)), move |request| match clients {
        Some(false) => Reply::status(401, "Unauthorized"),
        _ => Mesh::healthy().answer(request),
    })
}

fn trusting(sandbox: &Sandbox, ca: &Authority, server: &Server, user: &str) -> PathBuf {
    sandbox.file("ca.crt", ca.pem());
    sandbox.file("kubeconfig", kubeconfig(&server.url(""), "certificate-authority: ca.crt", user))
}

fn with_client(sandbox: &Sandbox, ca: &Authority, server: &Server, until: i32) -> PathBuf {
    let (certificate, key) = issued(ca, "vm", until);
    sandbox.file("client.crt", certificate.pem());
    sandbox.file("client.key", key.serialize_pem());
    trusting(sandbox, ca, server, "client-certificate: client.crt\n    client-key: client.key")
}
