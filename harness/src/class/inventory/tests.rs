//! Inventories as trainers have them, and inventories that are refused.

use std::fs;

use rstest::rstest;

use super::*;

/// Reads an inventory from a file of its own.
fn read_text(name: &str, content: impl AsRef<[u8]>) -> Result<Inventory, InventoryError> {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join(name);
    fs::write(&file, content).unwrap();
    read(file.to_str().unwrap(), None)
}

/// A machine as one line: `name user@address:port options`.
fn line(machine: &Machine) -> String {
    match &machine.way {
        Way::Ssh { address, user, port, options } => {
            let user = user.as_ref().map(|it| format!("{it}@")).unwrap_or_default();
            let port = port.map(|it| format!(":{it}")).unwrap_or_default();
            let options: String =
                options.iter().map(|it| format!(" {it}")).collect::<Vec<_>>().concat();
            format!("{} {user}{address}{port}{options}", machine.name)
        }
        Way::Kubeconfig { file, context } => {
            let file = file.file_name().unwrap().to_str().unwrap();
            format!("{} {file} {context}", machine.name)
        }
        Way::Record(file) => {
            format!("{} record {}", machine.name, file.file_name().unwrap().to_str().unwrap())
        }
    }
}

fn lines(inventory: &Inventory) -> Vec<String> {
    inventory.machines.iter().map(line).collect()
}

const INI: &str = r#"
# The class of spring.
gate ansible_connection=ssh

[rooms:children]
north
south            ; two rooms

[north]
vm[01:02].example.com ansible_user=student
10.0.0.7:2222 note="has a # in it"

[south]
vm03 ansible_host=10.0.0.3 ansible_port=2200 ansible_ssh_private_key_file=~/.ssh/class # old

[rooms:vars]
ansible_user=trainer
ansible_ssh_common_args='-o ProxyJump=gate.example.com'
motd="{{ anything }}"
[south:vars]
ansible_user=south
"#;

const JSON: &str = r#"{
  "_meta": {"hostvars": {"vm02": {"ansible_host": "10.0.0.2", "ansible_port": 2222, "ansible_user": "student"}, "vm01": {"disks": ["a"]}}},
  "all": {"children": ["ungrouped", "class"]},
  "class": {"hosts": ["vm02", "vm01"]}
}"#;

const YAML: &str = "---
all:
  vars: {ansible_user: trainer}
  children:
    class:
      hosts:
        vm[01:02]:
        vm03: {ansible_host: 10.0.0.3, ansible_port: 2222}
      vars:
        ansible_user: student
";

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
current-context: vm-a
clusters:
- name: c
  cluster: {server: 'https://127.0.0.1:6443'}
users:
- name: u
  user: {}
contexts:
- name: vm-a
  context: {cluster: c, user: u}
- name: student@vm-b
  context: {cluster: c, user: u}
- name: production
  context: {cluster: c, user: u}
";

#[rstest]
#[case::ini(INI, "an Ansible inventory (INI)", &[
    "gate gate",
    "vm01.example.com student@vm01.example.com -o ProxyJump=gate.example.com",
    "vm02.example.com student@vm02.example.com -o ProxyJump=gate.example.com",
    "10.0.0.7 trainer@10.0.0.7:2222 -o ProxyJump=gate.example.com",
    "vm03 south@10.0.0.3:2200 -o ProxyJump=gate.example.com -i ~/.ssh/class",
])]
#[case::ini_without_groups("vm1 ansible_host=10.0.0.1\nvm2\n", "an Ansible inventory (INI)", &["vm1 10.0.0.1", "vm2 vm2"])]
#[case::ini_of_two_words("[class]\nvm1\n", "an Ansible inventory (INI)", &["vm1 vm1"])]
#[case::json(JSON, "the JSON of ansible-inventory", &["vm02 student@10.0.0.2:2222", "vm01 vm01"])]
#[case::yaml(YAML, "an Ansible inventory (YAML)", &["vm01 student@vm01", "vm02 student@vm02", "vm03 student@10.0.0.3:2222"])]
#[case::list("# machines\nvm[1-2].example.com\n\nstudent@10.0.0.9:2222 # the last one\n", "a list of hosts", &["vm1.example.com vm1.example.com", "vm2.example.com vm2.example.com", "10.0.0.9 student@10.0.0.9:2222"])]
#[case::csv("Name,IP,User,Seat\nvm1,10.0.0.1,student,A1\n\n\"vm2\",10.0.0.2:2222,,\"A2, left\"\n,,,\n", "a table (CSV)", &["vm1 student@10.0.0.1", "vm2 10.0.0.2:2222"])]
#[case::csv_of_a_german_spreadsheet("Hostname;Port\r\nvm1;22\r\nvm2;\r\n", "a table (CSV)", &["vm1 vm1:22", "vm2 vm2"])]
#[case::csv_of_participants("Participant;Public IPv4 address;SSH-Port\nAnna  Smith;192.0.2.1;2222\n", "a table (CSV)", &["Anna-Smith 192.0.2.1:2222"])]
#[case::csv_of_gcloud("name,nat_ip\nvm1,192.0.2.1\n", "a table (CSV)", &["vm1 192.0.2.1"])]
#[case::csv_with_tabs("host\tcontext\tkubeconfig\nvm1\tadmin\tk.yaml\n", "a table (CSV)", &["vm1 k.yaml admin"])]
#[case::csv_of_one_column("hostname\nvm1\n", "a table (CSV)", &["vm1 vm1"])]
#[case::toml("user = \"student\"\n[[machine]]\nname = \"vm[1-2]\"\naddress = \"10.0.0.[1-2]\"\n[[machine]]\nname = \"own\"\nkubeconfig = \"k.yaml\"\ncontext = \"c\"\n", "class.toml", &["vm1 student@10.0.0.1", "vm2 student@10.0.0.2", "own k.yaml c"])]
#[case::kubeconfig(KUBECONFIG, "the contexts of a kubeconfig", &["vm-a file vm-a", "vm-b file student@vm-b", "production file production"])]
fn inventory_is_recognised_by_its_content(
    #[case] text: &str,
    #[case] form: &str,
    #[case] machines: &[&str],
) {
    let inventory = read_text("file", text).unwrap();
    assert_eq!(
        (inventory.form, lines(&inventory)),
        (form, machines.iter().map(|&it| it.to_owned()).collect())
    );
}

#[rstest]
#[case::utf_8_with_mark(b"\xef\xbb\xbfname,ip\nvm1,10.0.0.1\n".to_vec())]
#[case::utf_16(b"\xff\xfe".iter().copied().chain("name,ip\nvm1,10.0.0.1\n".encode_utf16().flat_map(u16::to_le_bytes)).collect())]
#[case::windows(b"name,ip,Pl\xe4tze\nvm1,10.0.0.1,\xdc1\n".to_vec())]
fn encoding_of_a_spreadsheet_does_not_matter(#[case] bytes: Vec<u8>) {
    assert_eq!(lines(&read_text("t.csv", bytes).unwrap()), ["vm1 10.0.0.1"]);
}

#[test]
fn argument_may_be_the_range_itself() {
    let inventory = read("student@vm[1-2].example.com,other,vm[5,7]", None).unwrap();
    let names: Vec<_> = inventory.machines.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["vm1.example.com", "vm2.example.com", "other", "vm5", "vm7"]);
}

#[test]
fn pattern_selects_contexts() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, KUBECONFIG).unwrap();
    let inventory = read(file.to_str().unwrap(), Some("*vm-*")).unwrap();
    assert_eq!(lines(&inventory), ["vm-a file vm-a", "vm-b file student@vm-b"]);
    let error = read(file.to_str().unwrap(), Some("class-*")).unwrap_err().to_string();
    assert!(error.contains("no context matches `class-*`; the file has vm-a"), "{error}");
}

#[test]
fn directory_has_a_machine_for_each_kubeconfig() {
    let place = tempfile::tempdir().unwrap();
    for name in ["vm2.yaml", "vm1", ".hidden"] {
        fs::write(place.path().join(name), KUBECONFIG).unwrap();
    }
    let inventory = read(place.path().to_str().unwrap(), None).unwrap();
    assert_eq!(lines(&inventory), ["vm1 vm1 vm-a", "vm2 vm2.yaml vm-a"]);
    fs::write(place.path().join("vm3.json.gz"), [0x1f, 0x8b]).unwrap();
    let both = read(place.path().to_str().unwrap(), None).unwrap();
    assert_eq!(both.form, "a directory of kubeconfigs and records");
    assert_eq!(lines(&both)[2], "vm3 record vm3.json.gz");
    fs::write(place.path().join("notes.txt"), "call the caterer").unwrap();
    let error = read(place.path().to_str().unwrap(), None).unwrap_err().to_string();
    assert!(error.contains("notes.txt: it is no kubeconfig"), "{error}");
}

#[rstest]
#[case::empty("\n# nothing\n", "it is empty")]
#[case::template_alone("{{ host }}\n", "line 1: the host `{{ host }}` is a template")]
#[case::names_that_differ_in_case("vm1\nVM1\n", "VM1: machines 1 and 2 have this name")]
#[case::name_with_a_comma(
    "name,ip\n\"vm2, new\",10.0.0.2\n",
    "line 2: `vm2,-new` is no name of a machine"
)]
#[case::template_as_host("[a]\nvm{{ number }}\n", "line 2: the host is a template")]
#[case::template_of_an_address(
    "vm1\nvm2 ansible_host=\"{{ ip }}\"\n",
    "line 2: vm2: ansible_host is the template `{{ ip }}`"
)]
#[case::unknown_section("[a:things]\nvm1\n", "line 1: `:things` is not known")]
#[case::no_variable("[a]\nvm1 ansible_host 10.0.0.1\n", "line 2: `ansible_host` is no variable")]
#[case::open_quote("[a]\nvm1 x='y\n", "line 2: it has an open quote")]
#[case::loop_of_groups("[a:children]\nb\n[b:children]\na\n", "a group is among its own children")]
#[case::container("vm1 ansible_connection=docker\n", "its connection is `docker`")]
#[case::bad_port("vm1 ansible_port=ssh\n", "`ssh` is no port")]
#[case::option_as_host(
    "vm1\n-oProxyCommand=sh ansible_user=a\n",
    "`-oProxyCommand=sh` is no name of a host"
)]
#[case::too_many("vm[1-10001]\n", "line 1: the inventory has more than 10000 machines")]
#[case::too_many_rows_together(
    "a[1-9999]\nb[1-9999]\n",
    "line 2: the inventory has more than 10000 machines"
)]
#[case::twice("vm1\nvm2\nvm1\n", "vm1: machines 1 and 3 have this name")]
#[case::row_without_address("name,ip,seat\n,,A1\n", "line 2: the row has no address and no name")]
#[case::other_yaml("kind: Pod\nmetadata: {}\n", "neither an Ansible inventory nor a kubeconfig")]
#[case::yaml_hosts_as_a_list("all:\n  hosts:\n  - vm1\n", "group all: its hosts are no map")]
#[case::broken_json("{\"all\":", "line 1: ")]
#[case::unknown_key("[[machine]]\nnmae = \"vm1\"\n", "line 2: unknown field `nmae`")]
#[case::other_number_of_addresses(
    "[[machine]]\nname = \"vm[1-3]\"\naddress = \"10.0.0.[1-2]\"\n",
    "line 1: `name` stands for 3 machines, and `address` for 2"
)]
#[case::markup("<script>\n", "line 1: `<script>` is no name of a host")]
fn what_is_not_understood_is_refused_whole(#[case] text: &str, #[case] words: &str) {
    let error = read_text("inventory", text).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn json_of_a_machine_keeps_its_contract() {
    let inventory =
        read_text("f", "vm1 ansible_host=10.0.0.1 ansible_port=22 ansible_user=a\n").unwrap();
    let json = serde_json::to_value(&inventory.machines[0]).unwrap();
    let expected = serde_json::json!({
        "name": "vm1", "via": "ssh", "address": "10.0.0.1", "user": "a", "port": 22,
        "context": null, "kubeconfig": null,
    });
    assert_eq!(json, expected);
}

#[rstest]
#[case("vm*", "vm1", true)]
#[case("*-vm", "a-vm", true)]
#[case("a*b*c", "aXbXbc", true)]
#[case("a*b", "aXbX", false)]
#[case("vm1", "vm12", false)]
#[case("*", "", true)]
fn pattern_matches_whole_names(#[case] pattern: &str, #[case] name: &str, #[case] expected: bool) {
    assert_eq!(meshcheck_suites::matches_text(pattern, name), expected);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = recognise(&decode(&bytes), None, None);
    }
}
