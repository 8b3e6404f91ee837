//! Certificates that have expired, belong to others, or are signed by nobody whom we know.

use std::path::PathBuf;

use crate::Cases;
use crate::kubeconfig::mesh_at;
use crate::mesh::Mesh;
use crate::program::check;
use crate::sandbox::Sandbox;
use crate::server::{Reply, Server, kubeconfig};
use crate::support::certificates::{self, Authority, authority, issued};

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

/// A server of a mesh. It asks for a client's certificate if the test says so, and answers 401 otherwise.
fn server(ca: &Authority, until: i32, clients: Option<bool>) -> Server {
    let config = certificates::server(ca, until, clients == Some(true));
    Server::on("127.0.0.1:0", Some(config), move |request| match clients {
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
