//! Something there gives load balancer addresses.

use std::net::{IpAddr, Ipv4Addr};

use crate::entry::check;
use crate::evidence::{Observation, Service};
use crate::format::{POOL, SERVICE, count, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::object::Object;
use crate::preflight::cluster::server_answers;
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::evidence::{Controller, Pool};
use crate::steps::{cluster, services, workloads};

check! {
    /// The tutorial implies that something gives the gateway an external IP.
    ///
    /// ## Why it matters
    /// Without a load balancer the gateway's service stays pending.
    ///
    /// ## How it is checked
    /// Looks for controllers that are known to give addresses, for MetalLB's pools, and for services that hold an address. With
    /// `--active` a service of meshcheck's own asks for one.
    ///
    /// ## What makes it fail
    /// - No controller answers, or it is not ready.
    /// - MetalLB has no pool, or its pool is used up.
    ///
    /// ## How to fix it
    /// Install a controller such as MetalLB, apply a pool, or free an address that nobody needs.
    ///
    /// ## Check by hand
    ///     kubectl get services --all-namespaces
    cluster::load_balancer: "something there gives load balancer addresses",
    needs: ClusterNamed,
    after: server_answers,
    judge: judge,
}

/// What gives addresses, by a part of its image's name.
const KNOWN: [(&str, &str); 8] = [
    ("metallb/controller", "MetalLB"),
    ("metallb/speaker", "MetalLB"),
    ("kube-vip", "kube-vip"),
    ("klipper-lb", "the load balancer of k3s"),
    ("cloud-provider-kind", "cloud-provider-kind"),
    ("cloud-controller-manager", "a cloud's controller"),
    ("openelb", "OpenELB"),
    ("purelb", "PureLB"),
];

/// Providers whose own machinery outside of the cluster gives addresses, by how their nodes call them.
const CLOUDS: [&str; 6] = ["aws", "gce", "azure", "digitalocean", "openstack", "k3s"];

const METALLB: &str = "MetalLB";

fn judge(evidence: &PreflightEvidence) -> Judged {
    let cluster = &evidence.cluster;
    // One that was given is worth more than all that may give one.
    let probe = cluster.seen.cluster.load_balancer_probe.value();
    if let Some(address) = probe.and_then(|probe| probe.address.as_ref()) {
        return Ok(Judgement::pass(format!(
            "a service of our own got {address} in {} ms{}",
            probe.map_or(0, |probe| probe.waited_ms),
            format_holders(evidence)
        )));
    }
    let controllers = cluster.controllers.look("what runs in the cluster")?;
    let known: Vec<_> = controllers.iter().filter_map(find_known).collect();
    if let Some((name, _)) = known.iter().find(|(name, _)| *name == METALLB) {
        return metallb(evidence, name, &known);
    }
    if let Some((name, controller)) = known.first() {
        if controller.ready == 0 && controller.wanted > 0 {
            return Err(not_ready(evidence, name, controller));
        }
        return Ok(Judgement::pass(format!("{name} runs{}", format_holders(evidence))));
    }
    let services = cluster.seen.cluster.load_balancer_services.look("the services")?;
    if services.iter().any(|service| !service.load_balancer_addresses.is_empty()) {
        return Ok(Judgement::pass(format!("something gives them{}", format_holders(evidence))));
    }
    let none = |what: String, observed: String, object: String| {
        Err(Judgement::fail(what)
            .expected("a load balancer controller")
            .observed(observed)
            .object(object)
            .step(services::list_all(&cluster.seen, "shows who waits; a cluster without a cloud needs a controller such as MetalLB (https://metallb.io/installation/), with a pool of free addresses")))
    };
    if let Some(service) = services.first() {
        return none(
            format!(
                "nothing gives load balancer addresses: {}/{} waits for one, and no controller that is known here runs",
                service.namespace, service.name
            ),
            format!("{} without an address", count(services.len(), SERVICE)),
            format!("service {}/{}", service.namespace, service.name),
        );
    }
    if let Some(probe) = probe {
        return none(
            "nothing gives load balancer addresses: a service of our own got none".into(),
            format!("none after {} s", probe.waited_ms.div_ceil(1000)),
            format!("a service of type LoadBalancer in namespace {}", probe.namespace),
        );
    }
    let cloud = cluster.platforms.value().into_iter().flatten().find_map(|node| {
        CLOUDS.into_iter().find(|cloud| node.provider_id.starts_with(&format!("{cloud}:")))
    });
    if let Some(cloud) = cloud {
        return Err(Judgement::skipped(format!(
            "the nodes are {cloud}'s, which gives addresses unless it was told not to: --active asks for one"
        )));
    }
    Err(Judgement::unjudged(
        "no load balancer controller that is known here runs, and no service has asked for an address: --active asks for one",
    ))
}

fn find_known(controller: &Controller) -> Option<(&'static str, &Controller)> {
    KNOWN.into_iter().find_map(|(part, name)| {
        let any = controller.images.iter().any(|image| image.contains(part));
        (any && controller.wanted > 0).then_some((name, controller))
    })
}

fn not_ready(evidence: &PreflightEvidence, name: &str, controller: &Controller) -> Judgement {
    let Controller { kind, namespace, name: object, wanted, ready, .. } = controller;
    let of = format!("{kind}/{object}");
    Judgement::fail(format!("{name} is not ready: no pod of {of} is"))
        .expected(format!("{wanted} ready"))
        .observed(format!("{ready} ready"))
        .object(format!("{kind} {namespace}/{object}"))
        .step(workloads::describe_any(&evidence.cluster.seen, namespace, &of, "shows why"))
}

/// MetalLB: it must run, have a pool, and an address left in it.
fn metallb(
    evidence: &PreflightEvidence,
    name: &str,
    known: &[(&'static str, &Controller)],
) -> Judged {
    let own: Vec<_> = known.iter().filter(|(name, _)| *name == METALLB).collect();
    if let Some((_, controller)) = own.iter().find(|(_, it)| it.ready == 0) {
        return Err(not_ready(evidence, name, controller));
    }
    let namespace = own.first().map_or("metallb-system", |(_, it)| it.namespace.as_str());
    let pools = match &evidence.cluster.pools {
        // A server that knows no pools yet has none.
        Observation::Absent { .. } => &Vec::new(),
        other => other.look("the pools of MetalLB")?,
    };
    let usable: Vec<&Pool> = pools.iter().filter(|pool| pool.auto_assign).collect();
    if usable.is_empty() {
        return Err(Judgement::fail("MetalLB has no pool that services get addresses of")
            .expected("an IPAddressPool with autoAssign")
            .observed(count(pools.len(), POOL))
            .object("the pools of MetalLB")
            .step(cluster::list_pools(&evidence.cluster.seen, namespace, "shows them; https://metallb.io/configuration/ has a pool to apply: addresses of the nodes' network that nobody else has")));
    }
    let ranges: Vec<_> = usable.iter().flat_map(|pool| pool.addresses.clone()).collect();
    let state = format!("{name} runs, with the pool {}", list(&ranges));
    let services = evidence.cluster.seen.cluster.load_balancer_services.look("the services")?;
    let expectations = &evidence.cluster.seen.expectations;
    let is_gateway = |service: &&Service| {
        service.name == expectations.gateway
            && service.namespace == expectations.gateway_namespace()
    };
    if services.iter().any(|it| is_gateway(&it) && !it.load_balancer_addresses.is_empty()) {
        return Ok(Judgement::pass(format!("{state}{}", format_holders(evidence))));
    }
    // What the ranges hold, where all of them can be counted.
    let all: Option<Vec<(u32, u32)>> = ranges.iter().map(|range| parse_bounds(range)).collect();
    let taken = |of: &[(u32, u32)]| {
        let addresses = services.iter().flat_map(|service| &service.load_balancer_addresses);
        let mut taken: Vec<u32> = addresses
            .filter_map(|address| match address.parse() {
                Ok(IpAddr::V4(address)) => Some(address.to_bits()),
                _ => None,
            })
            .filter(|address| of.iter().any(|(first, last)| (first..=last).contains(&address)))
            .collect();
        taken.sort_unstable();
        taken.dedup();
        u64::try_from(taken.len()).unwrap_or(u64::MAX)
    };
    let Some(all) = all else {
        return Ok(Judgement::pass(format!("{state}{}", format_holders(evidence))));
    };
    let size: u64 = all.iter().map(|(first, last)| u64::from(last - first) + 1).sum();
    let left = size.saturating_sub(taken(&all));
    if left == 0 {
        return Err(used_up(evidence, services, size, &list(&ranges)));
    }
    Ok(Judgement::pass(format!("{state}, {left} of {size} free{}", format_holders(evidence))))
}

/// No address is left: who holds one could give it.
fn used_up(
    evidence: &PreflightEvidence,
    services: &[Service],
    size: u64,
    ranges: &str,
) -> Judgement {
    let seen = &evidence.cluster.seen;
    let addresses = if size == 1 { "1 address".to_owned() } else { format!("{size} addresses") };
    let fail = Judgement::fail("the pool of MetalLB is used up")
        .expected("an address left for the ingress gateway")
        .observed(format!("{addresses} in {ranges}, none free{}", format_holders(evidence)));
    let Some(Service { namespace, name, .. }) =
        services.iter().find(|service| !service.load_balancer_addresses.is_empty())
    else {
        return fail
            .object("the pools of MetalLB")
            .step(services::list_all(seen, "shows who holds them"));
    };
    fail.object(Object::new("service", namespace, name))
        .step(services::free_one(seen, namespace, name))
}

/// The first and the last address of `a-b`, `a/24`.
fn parse_bounds(range: &str) -> Option<(u32, u32)> {
    let address = |text: &str| text.trim().parse::<Ipv4Addr>().ok().map(Ipv4Addr::to_bits);
    if let Some((first, last)) = range.split_once('-') {
        let (first, last) = (address(first)?, address(last)?);
        return (first <= last).then_some((first, last));
    }
    let (network, length) = range.split_once('/')?;
    let length: u32 = length.trim().parse().ok().filter(|length| *length <= 32)?;
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    let network = address(network)? & mask;
    Some((network, network | !mask))
}

/// Who holds addresses, and who waits for one.
fn format_holders(evidence: &PreflightEvidence) -> String {
    let services = evidence.cluster.seen.cluster.load_balancer_services.value();
    let probe = evidence.cluster.seen.cluster.load_balancer_probe.value().map(|it| &it.namespace);
    let services: Vec<_> = services
        .into_iter()
        .flatten()
        .filter(|service| Some(&service.namespace) != probe)
        .map(|service| {
            let Service { namespace, name, load_balancer_addresses, .. } = service;
            if load_balancer_addresses.is_empty() {
                format!("{namespace}/{name} waits for one")
            } else {
                format!("{namespace}/{name} holds {}", list(load_balancer_addresses))
            }
        })
        .collect();
    if services.is_empty() { String::new() } else { format!("; {}", list(&services)) }
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::evidence::Service;
    use crate::preflight::cluster::changes::*;
    use crate::preflight::evidence::*;
    use crate::testing::healthy;
    use crate::testing::of;

    cases! { PreflightEvidence:
        tried(|_| {}, Pass);
        tried_and_others_hold(|e| services(e).push(service("kong", Some("172.18.255.252"))), Pass);
        metallb(not_tried, Pass);
        metallb_some_held(|e| { not_tried(e); services(e).push(service("kong", Some("172.18.255.252"))); }, Pass);
        metallb_others_hold_elsewhere(|e| { not_tried(e); services(e).push(service("kong", Some("10.0.0.9"))); }, Pass);
        metallb_used_up(|e| { one_address(e); services(e).push(service("kong", Some("172.18.255.251"))); }, Fail);
        metallb_used_up_by_the_gateway(|e| {
            one_address(e);
            let gateway = healthy().cluster.load_balancer_services.value().unwrap()[0].clone();
            services(e).push(Service { load_balancer_addresses: vec!["172.18.255.251".into()], ..gateway });
        }, Pass);
        metallb_ipv6(|e| { not_tried(e); of(&mut e.cluster.pools)[0].addresses = vec!["fd00::1-fd00::9".into()]; }, Pass);
        metallb_without_a_pool(|e| { not_tried(e); of(&mut e.cluster.pools).clear(); }, Fail);
        metallb_of_which_nobody_knows_pools(|e| { not_tried(e); e.cluster.pools = Observation::absent("no such kind"); }, Fail);
        metallb_pool_by_name_only(|e| { not_tried(e); of(&mut e.cluster.pools)[0].auto_assign = false; }, Fail);
        metallb_speaker_not_ready(|e| { not_tried(e); of(&mut e.cluster.controllers)[1].ready = 0; }, Fail);
        metallb_pools_unseen(|e| { not_tried(e); e.cluster.pools = Observation::failed("forbidden"); }, Unjudged);
        metallb_services_unseen(|e| { not_tried(e); e.cluster.seen.cluster.load_balancer_services = Observation::failed("forbidden"); }, Unjudged);
        kube_vip(|e| called(e, "ghcr.io/kube-vip/kube-vip:v0.8"), Pass);
        kube_vip_not_ready(|e| { called(e, "ghcr.io/kube-vip/kube-vip:v0.8"); of(&mut e.cluster.controllers)[0].ready = 0; }, Fail);
        k3s(|e| { plain(e); platform(e).provider_id = "k3s://vm7".into(); }, Skipped);
        something_unknown(|e| { plain(e); services(e).push(service("kong", Some("10.0.0.9"))); }, Pass);
        plain_cluster(plain, Unjudged);
        plain_and_somebody_waits(|e| { plain(e); services(e).push(service("kong", None)); }, Fail);
        plain_and_tried(|e| { in_vain(e); of(&mut e.cluster.controllers).clear(); }, Fail);
        scaled_to_zero(|e| { called(e, "ghcr.io/kube-vip/kube-vip:v0.8"); of(&mut e.cluster.controllers)[0].wanted = 0; }, Unjudged);
        not_seen(|e| { not_tried(e); e.cluster.controllers = Observation::failed("forbidden"); }, Unjudged);
    }
}

#[cfg(test)]
mod tests {
    use super::parse_bounds;
    use rstest::rstest;

    #[rstest]
    #[case("172.18.0.4-172.18.0.7", Some(4))]
    #[case("172.18.0.4 - 172.18.0.4", Some(1))]
    #[case("172.18.0.8/30", Some(4))]
    #[case("172.18.0.9/32", Some(1))]
    #[case("0.0.0.0/0", Some(1 << 32))]
    #[case("172.18.0.7-172.18.0.4", None)]
    #[case("fd00::1-fd00::9", None)]
    #[case("172.18.0.0/33", None)]
    #[case("pool", None)]
    fn ranges_are_counted(#[case] range: &str, #[case] size: Option<u64>) {
        let counted = parse_bounds(range).map(|(first, last)| u64::from(last - first) + 1);
        assert_eq!(counted, size);
    }
}
