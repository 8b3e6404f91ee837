//! Kubeconfigs that cannot be read, name what is not there, or lead to nothing and to others.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::Cases;
use crate::mesh::{ISTIO, Mesh};
use crate::program::{Outcome, check};
use crate::sandbox::Sandbox;
use crate::server::{Reply, Server, black_hole, closed_port, kubeconfig};

pub(crate) const CASES: Cases = &[
    ("missing", |sandbox| {
        check(sandbox, sandbox.at("none")).run().error(2, &["none", "No such file"])
    }),
    ("empty", |sandbox| of(sandbox, "").error(2, &["kubeconfig", "it is empty"])),
    ("broken_yaml", |sandbox| {
        of(sandbox, "apiVersion: v1\ncontexts: [{ name: vm, ").error(2, &["kubeconfig", "line 2"])
    }),
    ("garbage", |sandbox| {
        let mut random = fastrand::Rng::with_seed(1);
        let bytes: Vec<u8> = (0..65536).map(|_| random.u8(..)).collect();
        of(sandbox, bytes).error(2, &["kubeconfig"])
    }),
    ("huge", |sandbox| {
        let file = sandbox.at("kubeconfig");
        let line = "# ".to_owned() + &"x".repeat(97) + "\n";
        let mut to = std::io::BufWriter::new(fs::File::create(&file).unwrap());
        (0..1_000_000).for_each(|_| to.write_all(line.as_bytes()).unwrap());
        to.into_inner().unwrap();
        check(sandbox, file).run().error(2, &["kubeconfig", "longer than"])
    }),
    ("aliases", |sandbox| {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, before) in "bcdefghij".chars().zip("abcdefghi".chars()) {
            let each = vec![format!("*{before}"); 9].join(", ");
            let _ = writeln!(text, "{name}: &{name} [{each}]");
        }
        of(sandbox, text).error(2, &["kubeconfig"])
    }),
    ("directory", |sandbox| {
        check(sandbox, sandbox.at("")).run().error(2, &["kubeconfig", "directory"])
    }),
    ("endless", |sandbox| {
        check(sandbox, Path::new("/dev/zero")).run().error(2, &["/dev/zero", "longer than"])
    }),
    ("pipe_without_writer", |sandbox| {
        let pipe = sandbox.at("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        check(sandbox, pipe).run().error(2, &["pipe", "5 s"])
    }),
    ("unreadable", unreadable),
    ("unknown_context", |sandbox| {
        let file = sandbox.file("kubeconfig", kubeconfig("https://127.0.0.1:1", "", "token: abc"));
        check(sandbox, file).args(&["--context", "vm7"]).run().error(2, &["`vm7`", "--context: vm"])
    }),
    ("missing_cluster", |sandbox| {
        let text = kubeconfig("https://127.0.0.1:1", "", "token: abc");
        of(sandbox, text.replace("cluster: one", "cluster: two")).error(2, &["`vm`", "two"])
    }),
    ("missing_user", |sandbox| {
        let text = kubeconfig("https://127.0.0.1:1", "", "token: abc");
        of(sandbox, text.replace("user: one", "user: two")).error(2, &["`vm`", "two"])
    }),
    ("missing_certificate", |sandbox| {
        let user = "client-certificate: /nowhere/client.crt\n    client-key: /nowhere/client.key";
        of(sandbox, kubeconfig("https://127.0.0.1:1", "", user)).error(2, &["/nowhere/client.crt"])
    }),
    ("half_utf_16", |sandbox| of(sandbox, [0xff, 0xfe, b'a', 0, b'b']).error(2, &["UTF-16"])),
    ("endless_ca", |sandbox| {
        let text =
            kubeconfig("https://127.0.0.1:1", "certificate-authority: /dev/zero", "token: abc");
        of(sandbox, text).error(2, &["/dev/zero"])
    }),
    ("endless_token", |sandbox| {
        let text = kubeconfig("https://127.0.0.1:1", "", "tokenFile: /dev/zero");
        of(sandbox, text).error(2, &["/dev/zero"])
    }),
    ("no_server", |sandbox| {
        of(sandbox, kubeconfig("not a url", "", "token: abc")).error(2, &["`vm`"])
    }),
    ("invalid_token", |sandbox| {
        let server = Server::start(|_| Reply::status(401, "Unauthorized"));
        check(sandbox, server.kubeconfig(sandbox))
            .run()
            .error(2, &["does not accept", "Unauthorized"])
    }),
    ("auth_provider", |sandbox| {
        let user = "auth-provider: { name: gcp, config: { x: y } }";
        of(sandbox, kubeconfig("https://127.0.0.1:1", "", user)).error(2, &["`vm`"])
    }),
    ("dead_proxy", |sandbox| {
        let cluster = format!("proxy-url: 'http://127.0.0.1:{}'", closed_port());
        of(sandbox, kubeconfig("https://192.0.2.1:6443", &cluster, "token: abc"))
            .error(3, &["192.0.2.1", "refused"])
    }),
    ("proxy_that_is_no_url", |sandbox| {
        let text = kubeconfig("https://192.0.2.1:6443", "proxy-url: 'not a url'", "token: abc");
        of(sandbox, text).error(2, &["proxy url"])
    }),
    ("refused", |sandbox| {
        let url = format!("https://127.0.0.1:{}", closed_port());
        of(sandbox, kubeconfig(&url, "", "token: abc")).error(3, &["127.0.0.1", "refused"])
    }),
    ("black_hole", |sandbox| {
        let url = format!("http://{}", black_hole(b""));
        of(sandbox, kubeconfig(&url, "", "token: abc")).error(3, &["no answer within 5 s"])
    }),
    ("black_hole_tls", |sandbox| {
        let url = format!("https://{}", black_hole(b""));
        of(sandbox, kubeconfig(&url, "", "token: abc")).error(3, &["no answer within 5 s"])
    }),
    ("web_server", |sandbox| {
        let server = Server::start(|_| page(200));
        check(sandbox, server.kubeconfig(sandbox))
            .run()
            .error(3, &["not answer as a Kubernetes API server"])
    }),
    ("web_server_404", |sandbox| {
        let server = Server::start(|_| page(404));
        check(sandbox, server.kubeconfig(sandbox)).run().error(3, &["404"])
    }),
    ("plain_http_on_the_port", |sandbox| {
        let server = Server::start(|_| page(400));
        let url = server.url("").replace("http:", "https:");
        of(sandbox, kubeconfig(&url, "", "token: abc")).error(3, &["127.0.0.1"])
    }),
    ("ipv6", |sandbox| {
        let server = Server::on("[::1]:0", None, |request| Mesh::healthy().answer(request));
        mesh_at(sandbox, &server.kubeconfig(sandbox)).report(1)
    }),
    ("ipv6_refused", |sandbox| {
        of(sandbox, kubeconfig("https://[::1]:1", "", "token: abc"))
            .error(3, &["[::1]:1", "refused"])
    }),
    ("name_without_address", |sandbox| {
        of(sandbox, kubeconfig("https://vm7.invalid:6443", "", "token: abc"))
            .error(3, &["vm7.invalid"])
    }),
    ("redirect", |sandbox| {
        let server =
            Server::start(|_| Reply::json(302, "").header("location", "http://127.0.0.1:1/login"));
        check(sandbox, server.kubeconfig(sandbox))
            .run()
            .error(3, &["not answer as a Kubernetes API server"])
    }),
];

fn page(status: u16) -> Reply {
    let body = format!("<html><title>Welcome</title>{}</html>", "<p>hello</p>\n".repeat(2000));
    let mut reply = Reply::json(status, body);
    reply.headers = vec![("content-type", "text/html".into())];
    reply
}

/// A check with a kubeconfig of this content.
pub(crate) fn of(sandbox: &Sandbox, content: impl AsRef<[u8]>) -> Outcome {
    check(sandbox, sandbox.file("kubeconfig", content)).run()
}

/// A check of the mesh behind this kubeconfig.
pub(crate) fn mesh_at(sandbox: &Sandbox, file: &Path) -> Outcome {
    check(sandbox, file).args(&["--istio", ISTIO]).run()
}

fn unreadable(sandbox: &Sandbox) -> Outcome {
    let file = sandbox.file("kubeconfig", kubeconfig("https://127.0.0.1:1", "", "token: abc"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    check(sandbox, file).without_rights().run().error(2, &["kubeconfig", "Permission denied"])
}
