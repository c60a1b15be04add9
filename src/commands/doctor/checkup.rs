//! The checks of `doctor`, in their order.

use std::path::Path;

use crate::base::eni::EniId;
use crate::commands::arguments::Arguments;
use crate::commands::doctor::cloud::Way;
use crate::commands::doctor::report::{Report, Verdict};
use crate::commands::doctor::sharing::{by_way, groups, store_of};
use crate::commands::doctor::site::Place;
use crate::commands::doctor::stores::Located;
use crate::commands::doctor::{
    addresses, capacity, configuration, forwarding, installation, orphans, outputs, plugins, pods, reserve,
    routes, store, stores,
};
use crate::commands::error::CommandError;
use crate::commands::networks::{Configuration, Network};
use crate::node::network_enis::configured_enis_of;
use crate::store::Store;

/// Checks everything and changes nothing. Each line is printed as soon as it is known, because the next check may take long.
pub(in crate::commands) fn doctor(arguments: &Arguments) -> Result<(), CommandError> {
    let found = Configuration::read(&arguments.config);
    let chosen = match &found {
        Ok(found) => found.chosen(arguments.network.as_deref()),
        Err(why) => Err(why.clone()),
    };
    // With a name that no network has, the checks would be about one that the person does not mean.
    if let (Err(why), Ok(found)) = (&chosen, &found)
        && !found.networks.is_empty()
    {
        return Err(CommandError::Configuration(why.clone()));
    }
    let chosen = chosen.map(|(first, others)| [vec![first], others].concat());
    let mut report = Report::new(arguments.json, chosen.as_ref().map_or(1, Vec::len));
    installation::binary(None, &mut report);
    examine(&found, &chosen, arguments.command.name(), &mut report);
    report.end()
}

/// The same for the networks of `file`, which is to be used with the plugins in `plugin_directory` and has been read into `found`,
/// among the files that are there already. A plugin of the file that is missing there is a failure as well.
///
/// # Errors
/// When something cannot be printed.
pub(in crate::commands) fn judge(
    found: Configuration,
    file: &Path,
    plugin_directory: &Path,
    as_json: bool,
) -> Result<Verdict, CommandError> {
    let found = Ok(found);
    let configured = found.iter().flat_map(|found: &Configuration| &found.networks);
    let chosen: Vec<&Network> = configured.filter(|network| network.file() == file).collect();
    let mut report = Report::new(as_json, chosen.len());
    installation::binary(Some(plugin_directory), &mut report);
    installation::other_plugins(file, plugin_directory, &mut report);
    examine(&found, &Ok(chosen), "install", &mut report);
    report.verdict()
}

fn examine(
    found: &Result<Configuration, String>,
    chosen: &Result<Vec<&Network>, String>,
    command: &str,
    report: &mut Report,
) {
    let configured: Vec<&Network> = found.iter().flat_map(|found| &found.networks).collect();
    let defaults = Network::with_defaults();
    // Without a configuration, the rest is checked with the default of every key.
    let networks = chosen.clone().unwrap_or_else(|_| vec![&defaults]);
    if let Ok(found) = found {
        configuration::files(found, report);
        configuration::names(found, report);
    }
    match chosen {
        Ok(networks) => {
            configurations(networks, report);
            if let Some(first) = networks.first() {
                first.start_log(command);
            }
        }
        Err(why) => report.fail("configuration", why),
    }
    let of_stores = groups(&networks, store_of);
    for group in &of_stores {
        report.about(group);
        match store_of(group[0]).map(|directory| Store::open(&directory)) {
            Some(Ok(opened)) => {
                store::check(&opened, report);
                reserve::check(&opened, &configured, report);
            }
            Some(Err(error)) if !outputs::is_root() => {
                report.fail("store", outputs::as_root(&error.to_string()));
            }
            Some(Err(error)) => report.fail("store", error),
            None => report.not_tested("store", "ipam.dataDir cannot be used"),
        }
    }
    let ways = ask_the_cloud(&networks, chosen.is_ok(), report);
    for group in &of_stores {
        report.about(group);
        contents(group, &ways, report);
    }
    report.about_the_node();
    if let (Ok(chosen), Ok(found)) = (chosen, found) {
        stores::check(&located(&configured, &ways), report);
        let routed = |it: &&Place<'_>| it.network.is_routed();
        let places = ways.iter().flat_map(|way| &way.places).filter(routed);
        let used: Vec<EniId> = places.map(|place| place.eni.clone()).collect();
        routes::check(&found.networks, &used, report);
        let is_ptp = |network: &&Network| network.main_plugin() == "ptp";
        let behind_links: Vec<&Network> = chosen.iter().copied().filter(is_ptp).collect();
        forwarding::check(&behind_links, report);
    }
}

fn configurations(networks: &[&Network], report: &mut Report) {
    for network in networks {
        report.about(&[network]);
        configuration::keys(network, networks.len() > 1, report);
        plugins::check(network, report);
    }
    for group in groups(networks, |network| network.ipam().log().file) {
        report.about(&group);
        outputs::log(group[0], report);
    }
    for group in groups(networks, |network| network.ipam().metrics_file().ok()) {
        report.about(&group);
        outputs::metrics(group[0], report);
    }
    report.about_the_node();
}

fn ask_the_cloud<'n>(networks: &[&'n Network], is_configured: bool, report: &mut Report) -> Vec<Way<'n>> {
    let (mut ways, mut instances) = (Vec::new(), Vec::new());
    for group in by_way(networks) {
        report.about(&group);
        match Way::new(&group) {
            Ok(mut way) => {
                way.find(&mut instances, report);
                way.check_enis(is_configured, report);
                plugins::check_enis(&way, report);
                capacity::check(&way, report);
                ways.push(way);
            }
            Err(failure) => report.not_tested("cloud", failure),
        }
    }
    ways
}

/// Compares what a store says with what ECS shows and with the pods of this node.
fn contents(sharing: &[&Network], ways: &[Way<'_>], report: &mut Report) {
    let Some(opened) = store_of(sharing[0]).and_then(|directory| Store::open(&directory).ok()) else {
        return;
    };
    let way = ways.iter().find(|way| way.networks.iter().any(|it| std::ptr::eq(*it, sharing[0])));
    let on_enis = way.and_then(|way| addresses::check(&opened, way, report));
    pods::check(&opened, on_enis.as_ref(), report);
    if let Some(way) = way {
        orphans::check(&opened, sharing, way, report);
    }
}

/// All configured networks, with what is known of their ENIs. Those that are not checked themselves are asked for silently.
fn located<'n>(configured: &[&'n Network], ways: &[Way<'n>]) -> Vec<Located<'n>> {
    let checked = |network| ways.iter().any(|way| way.networks.iter().any(|it| std::ptr::eq(*it, network)));
    let others: Vec<_> = configured.iter().copied().filter(|network| !checked(*network)).collect();
    let mut all: Vec<Located<'n>> = Vec::new();
    for way in by_way(&others).iter().filter_map(|group| Way::new(group).ok()) {
        let places = way.networks.iter().flat_map(|network| way.places_of(network).unwrap_or_default());
        all.extend(places.filter_map(|(_, place)| Some(way.located(&place.ok()?))));
    }
    all.extend(ways.iter().flat_map(|way| way.places.iter().map(|place| way.located(place))));
    for network in configured {
        let is_known = all.iter().any(|it| std::ptr::eq(it.network, *network));
        if let (false, Some(store), Ok(settings)) = (is_known, store_of(network), network.ipam().address()) {
            let known = Store::open(&store).ok().and_then(|store| configured_enis_of(&store, &settings).ok());
            let mut enis = known.filter(|known| !known.is_empty()).unwrap_or_else(|| vec![settings.eni]);
            let located =
                enis.drain(..).map(|eni| Located { network, store: store.clone(), eni, cloud: None });
            all.extend(located);
        }
    }
    let position =
        |it: &Located<'_>| configured.iter().position(|network| std::ptr::eq(*network, it.network));
    all.sort_by_key(position);
    all
}
