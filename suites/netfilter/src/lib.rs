//! Parses iptables rules and walks packets through them as the kernel does.
//!
//! ```text
//! istio-init's log ─► log ─► parse ─► RuleSet ─► walk ─► Outcome and trail
//!                                            └─► classes, coverage ─► every port's outcome
//!                                            ├─► compare ─► differences
//!                                            └─► witness ─► a packet that ends elsewhere by other rules
//! ```
//!
//! An unknown match or target is kept as text. Where it could decide, the walk ends unjudged with that rule.

mod arguments;
mod classes;
mod compare;
#[cfg(test)]
mod corruption;
#[cfg(test)]
#[path = "../../src/testing/text.rs"]
mod damaged_text;
mod log;
mod options;
mod packet;
mod parse;
mod ports;
mod print;
mod rules;
mod targets;
mod text;
mod walk;
mod witness;

pub use arguments::{InitArguments, arguments};
pub use classes::{
    address_classes, address_classes_with, group_classes, interface_classes, port_outcomes,
    source_port_classes, user_classes, work,
};
pub use compare::{Difference, differences};
pub use log::{LogError, LoggedRules, Printed, rules_in_log};
pub use packet::{ConnectionState, Family, Fit, Hook, Outcome, Packet, Step, Walk};
pub use parse::{ParseError, parse};
pub use ports::PortSet;
pub use rules::{
    AddressKind, Chain, Match, Network, Policy, Protocol, Rule, RuleSet, SetMark, Side, Table,
    Target,
};
pub use walk::walk;
pub use witness::{Search, Witness, find_witness};
