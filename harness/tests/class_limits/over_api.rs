//! A class of kubeconfigs: each machine is a stand-in API server with TLS, which gives recorded answers.

use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::run::Run;
use crate::support::certificates::{self, Authority, authority};
use crate::support::class::{Place, rows};
use crate::support::mesh::{ISTIO, KIALI, Mesh, settings};
use crate::support::run::verdicts;
use crate::support::scale::{count, figure, size};
use crate::support::server::{Server, kubeconfig};
use crate::support::whole_mesh::WholeMesh;

/// Starts the API server of a machine, and returns a kubeconfig that leads to it.
pub(crate) fn serve(ca: &Authority, mesh: &Mesh) -> String {
    let mesh = WholeMesh::of(mesh);
    let config = certificates::server(ca, 2100, false);
    let server = Server::on("127.0.0.1:0", Some(config), move |request| mesh.answer(request));
    let trusted = BASE64_STANDARD.encode(ca.pem());
    let cluster = format!("certificate-authority-data: {trusted}");
    kubeconfig(&server.url(""), &cluster, "token: abc")
}

pub(crate) fn verdicts_of_all_machines() {
    let machines = size(3, 100);
    let place = Place::new();
    let ca = authority("ca");
    let directory = place.at("machines");
    fs::create_dir(&directory).unwrap();
    let healthy = Mesh::healthy();
    for at in 0..machines {
        fs::write(directory.join(format!("vm{at:03}.yaml")), serve(&ca, &healthy)).unwrap();
    }
    let file = place.file("meshcheck.toml", settings(KIALI));
    let mut command = place.command(&["machines", "--istio", ISTIO, "--output", "json"]);
    // Without docker: the nodes are not containers of this machine.
    command.env("PATH", "").env("MESHCHECK_CONFIG", file);
    let run = Run::of(&command);
    let found = rows(&run.stdout);
    assert_eq!(found.len(), machines);
    let first = verdicts(&found[0]["report"]);
    let passes = first.values().filter(|it| **it == "pass").count();
    let others: Vec<_> =
        first.iter().filter(|(_, it)| !["pass", "skipped"].contains(*it)).collect();
    assert!(passes >= 15 && others.is_empty(), "{passes} pass, {others:?}: {:?}", run.lines);
    for row in &found {
        assert_eq!(verdicts(&row["report"]), first, "{}", row["name"]);
    }
    assert_eq!(run.code, Some(0));
    let cpu = f64::from(u32::try_from(run.measured.cpu).unwrap()) / 1000.0;
    figure("cpu", cpu / count(machines));
}
