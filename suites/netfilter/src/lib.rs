//! iptables rules, parsed and walked as the kernel would: where does a packet end?
//!
//! ```text
//! istio-init's log ─► log ─► parse ─► RuleSet ─► walk ─► Outcome and trail
//!                                            └─► classes, coverage ─► every port's outcome
//!                                            └─► compare ─► differences
//! ```
//!
//! A match or target that is not known is kept as it is written. Where it could decide, the walk ends
//! unjudged with that rule; it is never guessed.

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

pub use arguments::{InitArguments, arguments};
pub use classes::{
    address_classes, group_classes, interface_classes, port_outcomes, source_port_classes,
    user_classes, work,
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
