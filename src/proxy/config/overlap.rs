//! Ports that belong to two apps.

use std::net::IpAddr;

use super::{App, Ports};

/// Ports of an app, and where they stand.
#[derive(Debug, Clone, Copy)]
struct Claim {
    ports: Ports,
    app: usize,
    /// Its place among all.
    place: usize,
}

/// What is wrong with the ports of apps, each of which is called by its label. A port of one address goes before that
/// of every address, and before all ports of its address.
pub(super) fn problems(apps: &[App], labels: &[String]) -> Vec<String> {
    let mut problems: Vec<(usize, String)> = Vec::new();
    for takes in [|app: &App| app.tcp, |app: &App| app.udp] {
        let all = apps.iter().enumerate().flat_map(|(app, of)| of.ports.iter().map(move |ports| (app, *ports)));
        let claims = all.enumerate().map(|(place, (app, ports))| Claim { ports, app, place });
        let mut claims: Vec<Claim> = claims.filter(|claim| takes(&apps[claim.app])).collect();
        let key = |claim: &Claim| (group(&claim.ports), claim.ports.first, claim.place);
        claims.sort_by_key(key);
        // Of those before, the one that reaches furthest.
        let mut furthest: Option<Claim> = None;
        for claim in claims {
            let rival = furthest.filter(|other| group(&other.ports) == group(&claim.ports));
            if let Some(other) = rival.filter(|other| other.ports.last >= claim.ports.first) {
                let (first, second) = if other.place < claim.place { (other, claim) } else { (claim, other) };
                problems.push((second.place, words(&first, &second, labels)));
            }
            if rival.is_none_or(|other| other.ports.last < claim.ports.last) {
                furthest = Some(claim);
            }
        }
    }
    problems.sort();
    problems.dedup();
    problems.into_iter().map(|(_, problem)| problem).collect()
}

/// Ports of different groups do not get in each other's way.
fn group(ports: &Ports) -> (Option<IpAddr>, bool) {
    (ports.address, ports.is_all())
}

fn words(first: &Claim, second: &Claim, labels: &[String]) -> String {
    let (label, other) = (&labels[second.app], &labels[first.app]);
    match (first.ports, second.ports) {
        (one, two) if one == two && first.app == second.app => format!("{label}: ports: {two} is named twice"),
        (one, two) if one == two => format!("{label}: ports: {two} is also a port of {other}"),
        (one, two) if first.app == second.app => format!("{label}: ports: {two} overlaps {one}"),
        (one, two) => format!("{label}: ports: {two} overlaps {one} of {other}"),
    }
}
