//! Whole comparisons of recorded meshes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::{View, diff};
use crate::Evidence;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn read(name: &str) -> Evidence {
    let path = fixtures().join(name);
    if name.ends_with(".gz") {
        serde_json::from_reader(GzDecoder::new(File::open(path).unwrap())).unwrap()
    } else {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }
}

const OLD: &str = "evidence/istio-1.20.3.json.gz";
const NEW: &str = "evidence/istio-1.31-alpha-kubernetes-1.34.json.gz";
const LAB: &str = "evidence/lab.json";

#[test]
#[ignore]
fn print() {
    for (one, other, view) in
        [(OLD, NEW, View::Tutorial), (OLD, OLD, View::Tutorial), (OLD, NEW, View::All)]
    {
        let diff = diff(&read(one), &read(other), view);
        println!("=== {one} {other} {view:?} {:?} exit {}", diff.compared, diff.exit_code());
        for it in &diff.differences {
            println!(
                "{} {} [{}] {}",
                it.class.word(),
                it.id,
                it.fingerprint,
                it.summary.chars().take(400).collect::<String>()
            );
            for fact in &it.facts {
                println!("      fact {fact}");
            }
            println!(
                "      also {:?} witness {:?} searched {:?} reason {:?}",
                it.also,
                it.witness,
                it.searched,
                it.reason.as_ref().map(|it| &it.source)
            );
        }
        for it in &diff.not_compared {
            println!("  not compared {it:?}");
        }
        for it in &diff.noise {
            println!("  noise {it:?}");
        }
    }
    for folder in ["variations", "faults"] {
        let mut names: Vec<_> = fs::read_dir(fixtures().join(folder))
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for name in names {
            let diff = diff(
                &read(LAB),
                &read(&format!("{folder}/{name}/evidence.json.gz")),
                View::Tutorial,
            );
            println!("=== {folder}/{name} {:?} exit {}", diff.compared, diff.exit_code());
            for it in &diff.differences {
                println!(
                    "{} {} {} also {}",
                    it.class.word(),
                    it.object,
                    it.summary.chars().take(300).collect::<String>(),
                    it.also.len()
                );
                for fact in &it.facts {
                    println!("      fact {}", fact.chars().take(300).collect::<String>());
                }
                if let Some(it) = &it.witness {
                    println!("      {it:?}");
                }
            }
            for it in &diff.not_compared {
                println!("  not compared {it:?}");
            }
        }
    }
}
