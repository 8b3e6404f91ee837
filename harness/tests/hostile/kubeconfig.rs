//! Kubeconfigs that cannot be read, name what is not there, or lead to nothing and to others.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::case::{Case, Place};
use crate::mesh::{ISTIO, Mesh};
use crate::program::{Ended, arguments};
use crate::server::{Reply, Server, Way, black_hole, closed_port, kubeconfig};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("kubeconfig::missing", "a file that is not there", |place| {
            with(place, &place.at("none")).error(2, &["none", "No such file"])
        }),
        Case::new("kubeconfig::empty", "an empty file", |place| {
            of(place, "").error(2, &["kubeconfig", "has no current context"])
        }),
        Case::new("kubeconfig::broken_yaml", "YAML that ends in the middle of a list", |place| {
            of(place, "apiVersion: v1\ncontexts: [{ name: vm, ").error(2, &["kubeconfig", "line 2"])
        }),
        Case::new("kubeconfig::garbage", "64 KiB of random bytes", |place| {
            let mut random = fastrand::Rng::with_seed(1);
            let bytes: Vec<u8> = (0..65536).map(|_| random.u8(..)).collect();
            of(place, bytes).error(2, &["kubeconfig"])
        }),
        Case::new("kubeconfig::huge", "100 MB of YAML", |place| {
            let file = place.at("kubeconfig");
            let line = "# ".to_owned() + &"x".repeat(97) + "\n";
            let mut to = std::io::BufWriter::new(fs::File::create(&file).unwrap());
            (0..1_000_000).for_each(|_| to.write_all(line.as_bytes()).unwrap());
            to.into_inner().unwrap();
            with(place, &file).error(2, &["kubeconfig", "longer than"])
        }),
        Case::new(
            "kubeconfig::aliases",
            "YAML whose aliases expand to billions of nodes",
            |place| {
                let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
                for (name, before) in "bcdefghij".chars().zip("abcdefghi".chars()) {
                    let each = vec![format!("*{before}"); 9].join(", ");
                    let _ = writeln!(text, "{name}: &{name} [{each}]");
                }
                of(place, text).error(2, &["kubeconfig"])
            },
        ),
        Case::new("kubeconfig::directory", "a directory", |place| {
            with(place, &place.at("")).error(2, &["kubeconfig", "directory"])
        }),
        Case::new("kubeconfig::endless", "`/dev/zero`", |place| {
            with(place, Path::new("/dev/zero")).error(2, &["/dev/zero", "longer than"])
        }),
        Case::new("kubeconfig::pipe_without_writer", "a pipe that nobody writes to", |place| {
            let pipe = place.at("pipe");
            nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
            with(place, &pipe).error(2, &["pipe", "5 s"])
        }),
        Case::new("kubeconfig::unreadable", "a file that the user may not read", unreadable),
        Case::new("kubeconfig::unknown_context", "`--context` that is not in the file", |place| {
            let file =
                place.file("kubeconfig", kubeconfig("https://127.0.0.1:1", "", "token: abc"));
            place
                .meshcheck(&arguments(&[&"check", &"--context", &"vm7", &"--kubeconfig", &file]))
                .run()
                .error(2, &["`vm7`", "it has: vm"])
        }),
        Case::new(
            "kubeconfig::missing_cluster",
            "a context whose cluster is not in the file",
            |place| {
                let text = kubeconfig("https://127.0.0.1:1", "", "token: abc");
                of(place, text.replace("cluster: one", "cluster: two")).error(2, &["`vm`", "two"])
            },
        ),
        Case::new("kubeconfig::missing_user", "a context whose user is not in the file", |place| {
            let text = kubeconfig("https://127.0.0.1:1", "", "token: abc");
            of(place, text.replace("user: one", "user: two")).error(2, &["`vm`", "two"])
        }),
        Case::new(
            "kubeconfig::missing_certificate",
            "a client certificate file that is not there",
            |place| {
                let user =
                    "client-certificate: /nowhere/client.crt\n    client-key: /nowhere/client.key";
                of(place, kubeconfig("https://127.0.0.1:1", "", user))
                    .error(2, &["/nowhere/client.crt"])
            },
        ),
        Case::new(
            "kubeconfig::half_utf_16",
            "UTF-16 that ends in the middle of a letter",
            |place| of(place, [0xff, 0xfe, b'a', 0, b'b']).error(2, &["UTF-16"]),
        ),
        Case::new("kubeconfig::endless_ca", "a CA file that is `/dev/zero`", |place| {
            let text =
                kubeconfig("https://127.0.0.1:1", "certificate-authority: /dev/zero", "token: abc");
            of(place, text).error(2, &["/dev/zero"])
        }),
        Case::new("kubeconfig::endless_token", "a token file that is `/dev/zero`", |place| {
            let text = kubeconfig("https://127.0.0.1:1", "", "tokenFile: /dev/zero");
            of(place, text).error(2, &["/dev/zero"])
        }),
        Case::new("kubeconfig::no_server", "a server that is no URL", |place| {
            of(place, kubeconfig("not a url", "", "token: abc")).error(2, &["`vm`"])
        }),
        Case::new(
            "kubeconfig::invalid_token",
            "a token that the server does not accept (401)",
            |place| {
                let server = Server::start(|_| Way::Whole(Reply::status(401, "Unauthorized")));
                with(place, &server.kubeconfig(place))
                    .error(2, &["does not accept", "Unauthorized"])
            },
        ),
        Case::new("kubeconfig::auth_provider", "the legacy auth provider of a cloud", |place| {
            let user = "auth-provider: { name: gcp, config: { x: y } }";
            of(place, kubeconfig("https://127.0.0.1:1", "", user)).error(2, &["`vm`"])
        }),
        Case::new("kubeconfig::dead_proxy", "`proxy-url` where nobody listens", |place| {
            let cluster = format!("proxy-url: 'http://127.0.0.1:{}'", closed_port());
            of(place, kubeconfig("https://192.0.2.1:6443", &cluster, "token: abc"))
                .error(3, &["192.0.2.1", "refused"])
        }),
        Case::new("kubeconfig::proxy_that_is_no_url", "`proxy-url` that is no URL", |place| {
            let text = kubeconfig("https://192.0.2.1:6443", "proxy-url: 'not a url'", "token: abc");
            of(place, text).error(2, &["proxy url"])
        }),
        Case::new("kubeconfig::refused", "a server where nobody listens", |place| {
            let url = format!("https://127.0.0.1:{}", closed_port());
            of(place, kubeconfig(&url, "", "token: abc")).error(3, &["127.0.0.1", "refused"])
        }),
        Case::new(
            "kubeconfig::black_hole",
            "a server that accepts and never says a word",
            |place| {
                let url = format!("http://{}", black_hole());
                of(place, kubeconfig(&url, "", "token: abc")).error(3, &["no answer within 5 s"])
            },
        ),
        Case::new("kubeconfig::black_hole_tls", "the same, where TLS should begin", |place| {
            let url = format!("https://{}", black_hole());
            of(place, kubeconfig(&url, "", "token: abc")).error(3, &["no answer within 5 s"])
        }),
        Case::new("kubeconfig::web_server", "a web server: HTML for every path", |place| {
            let server = Server::start(|_| Way::Whole(page(200)));
            with(place, &server.kubeconfig(place)).error(3, &["not answer as one of Kubernetes"])
        }),
        Case::new("kubeconfig::web_server_404", "a web server: 404 for every path", |place| {
            let server = Server::start(|_| Way::Whole(page(404)));
            with(place, &server.kubeconfig(place)).error(3, &["404"])
        }),
        Case::new(
            "kubeconfig::plain_http_on_the_port",
            "an https URL, and plain HTTP on that port",
            |place| {
                let server = Server::start(|_| Way::Whole(page(400)));
                let url = server.url().replace("http:", "https:");
                of(place, kubeconfig(&url, "", "token: abc")).error(3, &["127.0.0.1"])
            },
        ),
        Case::new("kubeconfig::ipv6", "an IPv6 address: a mesh answers there", |place| {
            let server =
                Server::on("[::1]:0", None, |request| Way::Whole(Mesh::healthy().answer(request)));
            mesh_at(place, &server.kubeconfig(place)).report(1)
        }),
        Case::new("kubeconfig::ipv6_refused", "an IPv6 address where nobody listens", |place| {
            of(place, kubeconfig("https://[::1]:1", "", "token: abc"))
                .error(3, &["[::1]:1", "refused"])
        }),
        Case::new("kubeconfig::name_without_address", "a host name that does not exist", |place| {
            of(place, kubeconfig("https://vm7.invalid:6443", "", "token: abc"))
                .error(3, &["vm7.invalid"])
        }),
        Case::new("kubeconfig::redirect", "a server that sends everybody elsewhere", |place| {
            let server = Server::start(|_| {
                Way::Whole(Reply::new(302, "").header("location", "http://127.0.0.1:1/login"))
            });
            with(place, &server.kubeconfig(place)).error(3, &["not answer as one of Kubernetes"])
        }),
    ]
}

fn page(status: u16) -> Reply {
    let body = format!("<html><title>Welcome</title>{}</html>", "<p>hello</p>\n".repeat(2000));
    let mut reply = Reply::new(status, body);
    reply.headers = vec![("content-type", "text/html".into())];
    reply
}

/// A check with a kubeconfig of this content.
pub(crate) fn of(place: &Place, content: impl AsRef<[u8]>) -> Ended {
    let file = place.file("kubeconfig", content);
    with(place, &file)
}

/// A check with this kubeconfig.
fn with(place: &Place, file: &Path) -> Ended {
    place.meshcheck(&arguments(&[&"check", &"--kubeconfig", &file])).run()
}

/// A check of the mesh behind this kubeconfig.
pub(crate) fn mesh_at(place: &Place, file: &Path) -> Ended {
    let words = arguments(&[&"check", &"--kubeconfig", &file, &"--istio", &ISTIO]);
    place.meshcheck(&words).run()
}

fn unreadable(place: &Place) -> Ended {
    let file = place.file("kubeconfig", kubeconfig("https://127.0.0.1:1", "", "token: abc"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let call = place.meshcheck(&arguments(&[&"check", &"--kubeconfig", &file]));
    call.without_rights().run().error(2, &["kubeconfig", "Permission denied"])
}
