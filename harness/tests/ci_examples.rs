//! The examples of `docs/ci.md`: every command of their jobs runs in a clean clone, against stand-ins for docker,
//! kind, the release servers and the cluster. `docs/testing.md` lists what does not run.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use meshcheck::events::Events;
use meshcheck::source::{DEFAULT_ISTIO, Release};
use meshcheck_bundle::testing::write_small;
use meshcheck_bundle::{Bundle, Origin, Role, Writer};
use rstest::rstest;
use serde_json::{Value, json};
use support::mesh::{ISTIO, KIALI, Mesh};
use support::sandbox::Sandbox;
use support::server::{self, Reply, Request, Server};
use support::whole_mesh::{WholeMesh, gateway};

/// The parts of one example.
struct Example {
    /// The shell that the CI server starts for a command.
    shell: &'static [&'static str],
    commands: Vec<String>,
    variables: Vec<(String, String)>,
    /// The files that the job publishes.
    artifacts: Vec<String>,
}

/// The code block below a heading of `docs/ci.md`.
fn block(document: &str, heading: &str) -> String {
    let (_, section) = document.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = section.split_once("```").unwrap();
    let (block, _) = block.split_once("\n```").unwrap();
    block.split_once('\n').unwrap().1.to_owned()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

fn github(text: &str) -> Example {
    let workflow: Value = serde_saphyr::from_str(text).unwrap();
    let steps = workflow["jobs"]["tutorial"]["steps"].as_array().unwrap();
    let uploaded = steps.iter().rev().find_map(|step| step["with"]["path"].as_str()).unwrap();
    Example {
        shell: &["bash", "-e", "-c"],
        commands: steps.iter().filter_map(|it| it["run"].as_str()).map(str::to_owned).collect(),
        variables: Vec::new(),
        artifacts: uploaded.lines().map(str::to_owned).collect(),
    }
}

fn gitlab(text: &str) -> Example {
    let job: Value = serde_saphyr::from_str(text).unwrap();
    let job = &job["tutorial"];
    let variables = job["variables"].as_object().unwrap().iter();
    let junit = job["artifacts"]["reports"]["junit"].as_str().unwrap();
    let mut artifacts = texts(&job["artifacts"]["paths"]);
    artifacts.push(junit.to_owned());
    Example {
        shell: &["bash", "-e", "-o", "pipefail", "-c"],
        commands: texts(&job["script"]),
        variables: variables
            .map(|(name, it)| (name.clone(), it.as_str().unwrap().into()))
            .collect(),
        artifacts,
    }
}

fn jenkins(text: &str) -> Example {
    let quoted = |before: &str| {
        let starts = text.split(before).skip(1);
        starts.map(|it| it.split('\'').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let archived = quoted("artifacts: '").join(", ");
    let artifacts = archived.split(", ").map(str::to_owned);
    Example {
        shell: &["sh", "-e", "-x", "-c"],
        commands: quoted("sh '"),
        variables: Vec::new(),
        artifacts: artifacts.chain(quoted("junit '")).collect(),
    }
}

/// The surroundings of a job: a clone, and stand-ins for all that a CI server has and this test has not.
struct Job {
    sandbox: Sandbox,
    clone: PathBuf,
    cluster: Server,
    releases: Server,
}

impl Job {
    fn start() -> Self {
        let sandbox = Sandbox::new();
        let clone = sandbox.at("clone");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let cloned =
            Command::new("git").args(["clone", "--quiet"]).arg(root).arg(&clone).output().unwrap();
        assert!(cloned.status.success(), "{cloned:?}");
        let mesh = WholeMesh::of(&Mesh::healthy());
        let cluster = Server::start(move |request| {
            of_new_cluster(request).unwrap_or_else(|| mesh.answer(request))
        });
        let job =
            Self { releases: Server::start(|_| Reply::new(200, "")), cluster, clone, sandbox };
        fs::create_dir(job.sandbox.at("bin")).unwrap();
        job.sandbox.executable("bin/cargo", CARGO);
        job.sandbox.executable("bin/docker", DOCKER);
        job
    }

    /// Puts a release into the cache. Its kind makes a cluster of the recorded answers.
    fn fill_cache(&self, cache: &Path) {
        let events = Events::silent();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let release = Release::from_environment(Some(DEFAULT_ISTIO), None, &events);
        let release = runtime.block_on(release).unwrap();
        let directory = Release { cache: cache.to_owned(), ..release }.directory().unwrap();
        fs::create_dir_all(&directory).unwrap();
        let kubeconfig = server::kubeconfig(&self.cluster.url(""), "", "token: abc");
        let kind = KIND.replace("KUBECONFIG", &kubeconfig);
        let istioctl = format!("#!/bin/sh\necho {ISTIO}\n");
        let kiali = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "kiali", "namespace": "istio-system" }
        });
        write_small(&directory, |_| ()).unwrap();
        let mut manifest = Bundle::open(&directory).unwrap().manifest().clone();
        manifest.origin = Origin::Release;
        manifest.istio.version = ISTIO.into();
        manifest.kiali.image = KIALI.into();
        let mut writer = Writer::new(&directory).unwrap();
        for part in &manifest.parts {
            writer.add(&part.name, part.role, &part.path, "v1", "a test").unwrap();
        }
        let parts = [
            ("kind", Role::Program, kind),
            ("istioctl", Role::Program, istioctl),
            ("kiali-manifest", Role::Manifest, kiali.to_string()),
            ("metallb-manifest", Role::Manifest, String::new()),
        ];
        for (name, role, text) in parts {
            let path = directory.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            writer.add(name, role, name, "v1", "a test").unwrap();
        }
        writer.finish(manifest).unwrap();
    }

    /// Runs a command of the job as the CI server does. Returns the exit code and all output.
    fn run(&self, example: &Example, command: &str) -> (Option<i32>, String) {
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", self.sandbox.at("bin").display());
        let directory = self.clone.display().to_string();
        let mut variables = example.variables.clone();
        if !is_gateway_started() {
            let reason = "this user may not listen on port 80";
            let text = format!("[claims.skip]\n\"ingress::routes_into_mesh\" = \"{reason}\"\n");
            let file = self.sandbox.file("meshcheck.toml", text);
            variables.push(("MESHCHECK_CONFIG".into(), file.display().to_string()));
        }
        let home = std::env::var("HOME").unwrap_or_default();
        let cargo_home = std::env::var("CARGO_HOME").unwrap_or(format!("{home}/.cargo"));
        let ran = Command::new(example.shell[0])
            .args(&example.shell[1..])
            .arg(command)
            .current_dir(&self.clone)
            .env_clear()
            .env("PATH", path)
            .env("CARGO", env!("CARGO"))
            .env("CARGO_HOME", cargo_home)
            .env("RUSTC", Path::new(env!("CARGO")).with_file_name("rustc"))
            .env("HOME", self.sandbox.path().join("home"))
            .env("TMPDIR", self.sandbox.path().join("tmp"))
            .env("BUILT", env!("CARGO_BIN_EXE_meshcheck"))
            .env("MESHCHECK_ISTIO_RELEASES", self.releases.url("/istio"))
            .env("MESHCHECK_REGISTRY_MIRROR", self.releases.url(""))
            .envs(
                variables
                    .iter()
                    .map(|(name, it)| (name, it.replace("$CI_PROJECT_DIR", &directory))),
            )
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [ran.stdout, ran.stderr].concat();
        (ran.status.code(), String::from_utf8_lossy(&text).into_owned())
    }
}

/// `cargo build` and `cargo run`, without the minutes that they take: the lock file must fit the clone, and the program
/// is the one under test.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
  "run --quiet --package meshcheck -- "*) shift 5; exec "$BUILT" "$@" ;;
esac
[ "$*" = "build --locked --package meshcheck" ] || { echo "unexpected call: cargo $*"; exit 2; }
"$CARGO" metadata --locked --offline --format-version 1 | grep -q '"name":"meshcheck"' || exit 1
mkdir -p target/debug && ln -s "$BUILT" target/debug/meshcheck
"#;

/// Docker without any container: nobody reads the rules of the pods on their node.
const DOCKER: &str = r#"#!/bin/sh
case "$*" in
  info*) echo '{"ServerVersion":"28.2.2","KernelVersion":"'$(uname -r)'","OSType":"linux","NCPU":4,"MemTotal":8589934592,"CgroupVersion":"2","DockerRootDir":"/"}' ;;
  ps*) ;;
  "image inspect"*) echo sha256:1 ;;
  "network ls"*) echo 1 ;;
  "network inspect"*json*) echo '{"IPAM":{"Config":[{"Subnet":"172.18.0.0/16"}]}}' ;;
  "network inspect"*) echo 172.18.0.0/16 ;;
  inspect*IPAddress*) echo 172.18.0.2 ;;
  *) echo "unexpected call: docker $*" >&2; exit 1 ;;
esac
"#;

/// kind: the cluster that it makes is there already.
const KIND: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    version) echo 'kind v0.22.0 go1.21.7 linux/amd64' ;;
    --name) name=$2 ;;
    --kubeconfig) sed "s/: vm$/: kind-$name/" > "$2" <<'EOF'
KUBECONFIG
EOF
    ;;
  esac
  shift
done
"#;

/// Starts the gateway at its port for traffic, once. Returns whether that was possible.
fn is_gateway_started() -> bool {
    static IS_STARTED: LazyLock<bool> = LazyLock::new(|| {
        let address = format!("{}:80", gateway());
        let is_free = TcpListener::bind(&address).is_ok();
        if is_free {
            Server::on(&address, None, |request| {
                let is_known = !request.header("host").unwrap_or_default().starts_with("unknown.");
                let (status, body) =
                    if is_known { (200, "Hello from backend service\n") } else { (404, "") };
                Reply::new(status, body).header("server", "istio-envoy")
            });
        }
        is_free
    });
    *IS_STARTED
}

/// What a cluster answers while it is installed, beyond the recorded answers.
fn of_new_cluster(request: &Request) -> Option<Reply> {
    let path: Vec<_> = request.path.trim_matches('/').split('/').collect();
    let kind = |kind: &str, plural: &str, is_namespaced: bool| json!({ "kind": kind, "name": plural, "singularName": "", "namespaced": is_namespaced, "verbs": ["patch"] });
    let kinds = |group: &str, kinds: &[Value]| json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": kinds });
    let answer = match (request.method.as_str(), &path[..]) {
        ("GET", ["api", "v1"]) => kinds(
            "v1",
            &[kind("Namespace", "namespaces", false), kind("Service", "services", true)],
        ),
        ("GET", ["apis", "apps", "v1"]) => {
            kinds("apps/v1", &[kind("Deployment", "deployments", true)])
        }
        ("GET", ["apis", "metallb.io", "v1beta1"]) => kinds(
            "metallb.io/v1beta1",
            &[
                kind("IPAddressPool", "ipaddresspools", true),
                kind("L2Advertisement", "l2advertisements", true),
            ],
        ),
        // MetalLB is there, and gives the probe its address.
        ("GET", [.., "metallb-system", "deployments", name]) => json!({
            "metadata": { "name": name }, "spec": { "replicas": 1, "selector": {}, "template": {} },
            "status": { "availableReplicas": 1, "updatedReplicas": 1 }
        }),
        ("GET", [.., "daemonsets", name]) => json!({
            "metadata": { "name": name }, "spec": { "selector": {}, "template": {} },
            "status": {
                "currentNumberScheduled": 1, "desiredNumberScheduled": 1, "numberMisscheduled": 0,
                "numberReady": 1
            }
        }),
        ("GET", [.., "services", "probe"]) => json!({
            "metadata": { "name": "probe" }, "spec": { "type": "LoadBalancer" },
            "status": { "loadBalancer": { "ingress": [{ "ip": "172.18.255.252" }] } }
        }),
        ("GET", [.., "gateways" | "virtualservices", "probe"]) => {
            let gone = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
                "reason": "NotFound", "message": "not found", "metadata": {}
            });
            return Some(Reply::json(404, gone.to_string()));
        }
        _ => return None,
    };
    Some(Reply::json(200, answer.to_string()))
}

#[rstest]
#[case("GitHub Actions", github)]
#[case("GitLab CI", gitlab)]
#[case("Jenkins", jenkins)]
fn commands_of_ci_example_succeed_in_clean_clone(
    #[case] heading: &str,
    #[case] read: fn(&str) -> Example,
) {
    let job = Job::start();
    let document = fs::read_to_string(job.clone.join("docs/ci.md")).unwrap();
    let example = read(&block(&document, heading));
    assert!(example.commands.len() >= 3, "{:?}", example.commands);
    for command in &example.commands {
        if command.contains("meshcheck run") {
            let own = example.variables.iter().find(|(name, _)| name == "MESHCHECK_CACHE");
            let cache = own.map(|_| job.clone.join(".cache/meshcheck"));
            let shared = job.sandbox.path().join("home/.cache/meshcheck");
            job.fill_cache(&cache.unwrap_or(shared));
        }
        let (mut code, mut text) = job.run(&example, command);
        if command.ends_with("preflight") && code != Some(0) {
            // The machine of the tests may be too small for a cluster.
            (code, text) = job.run(&example, &format!("{command} --skip machine"));
        }
        println!("$ {command}\n{text}");
        assert_eq!(code, Some(0), "`{command}`\n{text}");
    }
    assert!(!job.releases.requests().is_empty(), "the preflight asks for the release");
    for name in &example.artifacts {
        assert!(job.clone.join(name).metadata().unwrap().len() > 0, "{name}");
    }
}

/// The workflow that tries other versions every week: its jobs run as they stand, with one version. GitHub fills in the
/// column of the plan, and carries the records from job to job.
#[test]
fn run_blocks_of_weekly_workflow_succeed_in_clean_clone() {
    let job = Job::start();
    job.fill_cache(&job.sandbox.path().join("home/.cache/meshcheck"));
    let text = fs::read_to_string(job.clone.join(".github/workflows/versions.yml")).unwrap();
    let workflow: Value = serde_saphyr::from_str(&text).unwrap();
    let (output, summary) = (job.sandbox.at("output"), job.sandbox.at("summary.md"));
    let mut variables = vec![
        ("ISTIO".to_owned(), DEFAULT_ISTIO.to_owned()),
        ("GITHUB_ACTIONS".into(), "true".into()),
        ("GITHUB_OUTPUT".into(), output.display().to_string()),
        ("GITHUB_STEP_SUMMARY".into(), summary.display().to_string()),
    ];
    for name in ["plan", "column", "report"] {
        if name == "column" {
            let plan = fs::read_to_string(&output).unwrap();
            let plan: Value = serde_json::from_str(plan.strip_prefix("columns=").unwrap()).unwrap();
            let column = &plan["include"][0];
            for (variable, key) in [("COLUMN", "name"), ("VERSION", "istio")] {
                variables.push((variable.into(), column[key].as_str().unwrap().into()));
            }
        }
        let example = Example {
            shell: &["bash", "-e", "-c"],
            commands: Vec::new(),
            variables: variables.clone(),
            artifacts: Vec::new(),
        };
        let steps = workflow["jobs"][name]["steps"].as_array().unwrap();
        let blocks: Vec<_> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
        assert_eq!(blocks.len(), 1, "{name}");
        let (code, text) = job.run(&example, blocks[0]);
        assert_eq!(code, Some(0), "{name}: {text}");
    }
    assert!(job.clone.join("matrix.html").metadata().unwrap().len() > 0);
    let summary = fs::read_to_string(summary).unwrap();
    assert!(summary.contains("### The tutorial holds on 1 of 1 mesh"), "{summary}");
}
