//! A load balancer assigns addresses to services.

use std::net::{IpAddr, Ipv4Addr};

use crate::entry::check;
use crate::evidence::{Observation, Service};
use crate::format::{POOL, SERVICE, count, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::object::Object;
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::evidence::{Controller, Pool};
use crate::steps::{Purpose, Step, cluster, services, workloads};

check! {
    /// The tutorial implies a load balancer that assigns an external IP to the gateway.
    ///
    /// ## Why it matters
    /// Without a load balancer the gateway's service stays `<pending>`.
    ///
    /// ## How it is checked
    /// Lists deployments and daemonsets for known controllers, MetalLB's pools, and services that have an address. With
    /// `--active` a test service of type LoadBalancer must get one.
    ///
    /// ## What makes it fail
    /// - No load balancer controller runs, or it is not ready.
    /// - MetalLB has no pool, or its pool is used up.
    ///
    /// ## How to fix it
    /// Install a controller such as MetalLB, create a pool, or add addresses to it.
    ///
    /// ## Check by hand
    ///     kubectl get services --all-namespaces
    cluster::load_balancer: "a load balancer assigns addresses to services",
    needs: ClusterNamed,
    after: server_answers,
}

/// Known load balancer controllers, by a part of their image's name.
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

/// Providers whose load balancer is outside of the cluster, by the provider in their node's id.
const CLOUDS: [&str; 6] = ["aws", "gce", "azure", "digitalocean", "openstack", "k3s"];

const METALLB: &str = "MetalLB";

fn judge(evidence: &PreflightEvidence) -> Judged {
    let cluster = &evidence.cluster;
    // An assigned address proves more than a running controller.
    let probe = cluster.seen.cluster.load_balancer_probe.value();
    if let Some(address) = probe.and_then(|probe| probe.address.as_ref()) {
        return Ok(Judgement::pass(format!(
            "a test service got {address} in {} ms{}",
            probe.map_or(0, |probe| probe.waited_ms),
            format_holders(evidence)
        )));
    }
    let controllers = cluster.controllers.look("the deployments and daemonsets")?;
    let known: Vec<_> = controllers.iter().filter_map(find_known).collect();
    if let Some((name, _)) = known.iter().find(|(name, _)| *name == METALLB) {
        return metallb(evidence, name, &known);
    }
    if let Some((name, controller)) = known.first() {
        if controller.ready == 0 {
            return Err(not_ready(evidence, name, controller));
        }
        return Ok(Judgement::pass(format!("{name} runs{}", format_holders(evidence))));
    }
    let services =
        cluster.seen.cluster.load_balancer_services.look("the services of type LoadBalancer")?;
    if services.iter().any(|service| !service.load_balancer_addresses.is_empty()) {
        return Ok(Judgement::pass(format!(
            "an unknown load balancer assigns addresses{}",
            format_holders(evidence)
        )));
    }
    let none = |reason: String, observed: String, object: String| {
        let text = "Install a load balancer such as MetalLB, with a pool of free addresses (https://metallb.io/installation/)";
        Err(Judgement::fail(format!("no load balancer assigns addresses: {reason}"))
            .expected("an external IP")
            .observed(observed)
            .object(object)
            .steps([
                Step::advice(Purpose::Fix, text),
                services::list_all(&cluster.seen, "List the services with their external IPs"),
            ]))
    };
    if let Some(service) = services.first() {
        return none(
            format!("service {}/{} is <pending>", service.namespace, service.name),
            format!("{} <pending>", count(services.len(), SERVICE)),
            format!("service {}/{}", service.namespace, service.name),
        );
    }
    if let Some(probe) = probe {
        return none(
            "a test service got none".into(),
            format!("<pending> after {} s", probe.waited_ms.div_ceil(1000)),
            format!("test service in namespace {}", probe.namespace),
        );
    }
    let cloud = cluster.platforms.value().into_iter().flatten().find_map(|node| {
        CLOUDS.into_iter().find(|cloud| node.provider_id.starts_with(&format!("{cloud}:")))
    });
    if let Some(cloud) = cloud {
        return Err(Judgement::skipped(format!(
            "the nodes run on {cloud}, which has its own load balancer: --active tests it"
        )));
    }
    Err(Judgement::unjudged(
        "no known load balancer controller runs, and no service needs an address: --active tests one",
    ))
}

/// Finds the name of a known load balancer in the images of a controller.
fn find_known(controller: &Controller) -> Option<(&'static str, &Controller)> {
    KNOWN.into_iter().find_map(|(part, name)| {
        let any = controller.images.iter().any(|image| image.contains(part));
        (any && controller.wanted > 0).then_some((name, controller))
    })
}

/// Returns the failure that no pod of a controller is ready.
fn not_ready(evidence: &PreflightEvidence, name: &str, controller: &Controller) -> Judgement {
    let Controller { kind, namespace, name: object, wanted, ready, .. } = controller;
    let of = format!("{kind}/{object}");
    Judgement::fail(format!(
        "{name} is not ready: {kind} {object} has {ready} of {wanted} pods ready"
    ))
    .expected(format!("{wanted} of {wanted} pods ready"))
    .observed(format!("{ready} of {wanted} pods ready"))
    .object(format!("{kind} {namespace}/{object}"))
    .step(workloads::describe_any(
        &evidence.cluster.seen,
        namespace,
        &of,
        "Show why its pods are not ready",
    ))
}

/// Judges MetalLB: it must be ready, with a pool that has a free address.
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
        // Without the CRD there are no pools.
        Observation::Absent { .. } => &Vec::new(),
        other => other.look("MetalLB's address pools")?,
    };
    let usable: Vec<&Pool> = pools.iter().filter(|pool| pool.auto_assign).collect();
    if usable.is_empty() {
        let observed = match pools.len() {
            0 => "no IPAddressPool".to_owned(),
            number => format!("{} without autoAssign", count(number, POOL)),
        };
        let text = "Create an IPAddressPool of unused addresses in the nodes' network (https://metallb.io/configuration/)";
        return Err(Judgement::fail("MetalLB has no address pool with autoAssign")
            .expected("an IPAddressPool with autoAssign")
            .observed(observed)
            .object("MetalLB's address pools")
            .steps([
                Step::advice(Purpose::Fix, text),
                cluster::list_pools(&evidence.cluster.seen, namespace, "List the address pools"),
            ]));
    }
    let ranges: Vec<_> = usable.iter().flat_map(|pool| pool.addresses.clone()).collect();
    let state = format!("{name} runs with pool {}", list(&ranges));
    let services = evidence
        .cluster
        .seen
        .cluster
        .load_balancer_services
        .look("the services of type LoadBalancer")?;
    let expectations = &evidence.cluster.seen.expectations;
    let is_gateway = |service: &&Service| {
        service.name == expectations.gateway
            && service.namespace == expectations.gateway_namespace()
    };
    if services.iter().any(|it| is_gateway(&it) && !it.load_balancer_addresses.is_empty()) {
        return Ok(Judgement::pass(format!("{state}{}", format_holders(evidence))));
    }
    // IPv6 ranges are not counted.
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

/// Returns the failure that the pool has no free address.
fn used_up(
    evidence: &PreflightEvidence,
    services: &[Service],
    size: u64,
    ranges: &str,
) -> Judgement {
    let seen = &evidence.cluster.seen;
    let show = || services::list_all(seen, "List the services with their addresses");
    let fail =
        Judgement::fail(format!("MetalLB's pool is used up: 0 of {size} addresses are free"))
            .expected("a free address for the ingress gateway")
            .observed(format!(
                "0 of {size} addresses in {ranges} free{}",
                format_holders(evidence)
            ));
    let Some(Service { namespace, name, .. }) =
        services.iter().find(|service| !service.load_balancer_addresses.is_empty())
    else {
        return fail.object("MetalLB's address pools").step(show());
    };
    fail.object(Object::new("service", namespace, name))
        .steps([services::free_one(seen, namespace, name), show()])
}

/// Parses the first and the last address of a range: `a-b`, `a/24`.
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

/// Formats the services of type LoadBalancer with their addresses, to follow another text.
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
                format!("service {namespace}/{name} is <pending>")
            } else {
                format!("service {namespace}/{name} has {}", list(load_balancer_addresses))
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
        tested(|_| {}, Pass);
        tested_and_others_have_addresses(|e| services(e).push(service("kong", Some("172.18.255.252"))), Pass);
        metallb(not_tried, Pass);
        metallb_with_one_address_used(|e| { not_tried(e); services(e).push(service("kong", Some("172.18.255.252"))); }, Pass);
        metallb_with_address_outside_of_the_pool(|e| { not_tried(e); services(e).push(service("kong", Some("10.0.0.9"))); }, Pass);
        metallb_used_up(|e| { one_address(e); services(e).push(service("kong", Some("172.18.255.251"))); }, Fail);
        metallb_used_up_by_the_gateway(|e| {
            one_address(e);
            let gateway = healthy().cluster.load_balancer_services.value().unwrap()[0].clone();
            services(e).push(Service { load_balancer_addresses: vec!["172.18.255.251".into()], ..gateway });
        }, Pass);
        metallb_used_up_by_kiali(|e| {
            one_address(e);
            services(e).push(Service { name: "kiali".into(), ..service("istio-system", Some("172.18.255.251")) });
        }, Fail);
        metallb_ipv6(|e| { not_tried(e); of(&mut e.cluster.pools)[0].addresses = vec!["fd00::1-fd00::9".into()]; }, Pass);
        metallb_without_a_pool(|e| { not_tried(e); of(&mut e.cluster.pools).clear(); }, Fail);
        metallb_without_pool_crd(|e| { not_tried(e); e.cluster.pools = Observation::absent("no such kind"); }, Fail);
        metallb_pool_without_auto_assign(|e| { not_tried(e); of(&mut e.cluster.pools)[0].auto_assign = false; }, Fail);
        metallb_speaker_not_ready(|e| { not_tried(e); of(&mut e.cluster.controllers)[1].ready = 0; }, Fail);
        metallb_pools_unknown(|e| { not_tried(e); e.cluster.pools = Observation::failed("forbidden"); }, Unjudged);
        metallb_services_unknown(|e| { not_tried(e); e.cluster.seen.cluster.load_balancer_services = Observation::failed("forbidden"); }, Unjudged);
        kube_vip(|e| called(e, "ghcr.io/kube-vip/kube-vip:v0.8"), Pass);
        kube_vip_not_ready(|e| { called(e, "ghcr.io/kube-vip/kube-vip:v0.8"); of(&mut e.cluster.controllers)[0].ready = 0; }, Fail);
        k3s(|e| { plain(e); platform(e).provider_id = "k3s://vm7".into(); }, Skipped);
        unknown_load_balancer(|e| { plain(e); services(e).push(service("kong", Some("10.0.0.9"))); }, Pass);
        no_load_balancer(plain, Unjudged);
        no_load_balancer_and_service_pending(|e| { plain(e); services(e).push(service("kong", None)); }, Fail);
        no_load_balancer_and_tested(|e| { in_vain(e); of(&mut e.cluster.controllers).clear(); }, Fail);
        scaled_to_zero(|e| { called(e, "ghcr.io/kube-vip/kube-vip:v0.8"); of(&mut e.cluster.controllers)[0].wanted = 0; }, Unjudged);
        scaled_to_zero_and_none_ready(|e| { called(e, "ghcr.io/kube-vip/kube-vip:v0.8"); let one = &mut of(&mut e.cluster.controllers)[0]; (one.wanted, one.ready) = (0, 0); }, Unjudged);
        controllers_unknown(|e| { not_tried(e); e.cluster.controllers = Observation::failed("forbidden"); }, Unjudged);
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
    fn range_has_size(#[case] range: &str, #[case] size: Option<u64>) {
        let counted = parse_bounds(range).map(|(first, last)| u64::from(last - first) + 1);
        assert_eq!(counted, size);
    }
}
