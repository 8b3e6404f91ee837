use super::{
    InitLog, KialiAddon, all, change, changes, kiali_addon, kiali_images, minor, nearest, of,
};
use rstest::rstest;

#[test]
fn file_has_each_minor_version_once_oldest_first() {
    let versions: Vec<_> = all().iter().map(|profile| profile.version).collect();
    assert_eq!(versions, (18..=31).map(|minor| (1, minor)).collect::<Vec<_>>());
}

#[test]
fn windows_and_kiali_tags_are_in_order() {
    for profile in all() {
        assert!(profile.kubernetes.0 <= profile.kubernetes.1, "{profile:?}");
        assert!(profile.kiali.is_sorted_by(|one, next| one.since < next.since), "{profile:?}");
        let first = &profile.kiali[0].since;
        assert_eq!((first.major, first.minor, first.patch), (1, profile.version.1, 0));
    }
    assert!(all().is_sorted_by_key(|profile| profile.kubernetes));
}

/// A fact of a profile and the change that explains it say the same.
#[test]
fn facts_differ_from_the_version_on_that_their_change_names() {
    for profile in all() {
        let has = |id: &str| {
            let since = change(id).since.as_deref().and_then(minor);
            since.is_some_and(|since| profile.version >= since)
        };
        let version = profile.version;
        assert_eq!(
            profile.registry.starts_with("registry.istio.io/"),
            has("registry"),
            "{version:?}"
        );
        assert_eq!(
            profile.native_sidecars_from_kubelet.is_some(),
            has("native-sidecars"),
            "{version:?}"
        );
        assert_eq!(!profile.further_crds.is_empty(), has("traffic-extensions"), "{version:?}");
        assert_eq!(
            profile.init_log == InitLog::FinalState,
            has("init-log-final-state"),
            "{version:?}"
        );
        assert_eq!(
            !profile.output_jump.contains("-p tcp"),
            has("udp-through-istio-output"),
            "{version:?}"
        );
    }
}

#[test]
fn each_change_has_an_id_of_its_own_a_reason_and_the_address_of_its_source() {
    for change in changes() {
        let alike = changes().iter().filter(|other| other.id == change.id).count();
        assert_eq!(alike, 1, "{}", change.id);
        assert!(change.source.starts_with("https://"), "{}", change.id);
        for text in [&change.what, &change.why] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", change.id);
        }
        let since = change.since.as_deref().map(|since| minor(since).unwrap());
        assert!(since.is_none_or(|since| all().iter().any(|it| it.version == since)));
    }
}

#[rstest]
#[case("1.20.3", Some((25, 29)))]
#[case("1.22.0-alpha.55f12a68b4f9", Some((27, 30)))]
#[case("1.31.1", Some((32, 36)))]
#[case("1.17.0", None)]
#[case("1.32.0", None)]
#[case("latest", None)]
fn a_version_finds_its_support_window(#[case] version: &str, #[case] window: Option<(u64, u64)>) {
    assert_eq!(of(version).map(|profile| profile.kubernetes), window);
}

#[rstest]
#[case("1.20.3", Some(((1, 20), true)))]
#[case("v1.31.0-alpha.eed52ebb66ad", Some(((1, 31), true)))]
#[case::newer("1.32.0", Some(((1, 31), false)))]
#[case::much_newer("1.40.2", Some(((1, 31), false)))]
#[case::next_major("2.0.0", Some(((1, 31), false)))]
#[case::older("1.17.9", None)]
#[case::no_version("latest", None)]
fn unknown_newer_version_is_judged_by_the_newest_profile(
    #[case] version: &str,
    #[case] expected: Option<((u64, u64), bool)>,
) {
    let found = nearest(version).map(|it| (it.profile.version, it.is_exact));
    assert_eq!(found, expected);
}

#[rstest]
#[case("1.20.3", &["v1.76"])]
#[case("v1.24.6", &["v2.0"])]
#[case("1.31.1", &["v2.27"])]
#[case::before_it_changed("1.22.1", &["v1.82"])]
#[case::where_it_changed("1.22.2", &["v1.86"])]
#[case::afterwards("1.22.8", &["v1.86"])]
#[case::first_of_1_30("1.30.0", &["v2.22"])]
#[case::second_of_1_30("1.30.1", &["v2.26"])]
#[case::pre_release("1.31.0-alpha.eed52ebb66ad", &["v2.27"])]
#[case::unknown("1.17.0", &[])]
#[case::no_version("latest", &[])]
fn release_has_the_image_of_its_addon(#[case] version: &str, #[case] tags: &[&str]) {
    let images: Vec<_> = tags.iter().map(|tag| format!("quay.io/kiali/kiali:{tag}")).collect();
    assert_eq!(kiali_images(version), images);
}

#[rstest]
#[case::last_that_was_read("1.30.3", "v2.26", None)]
#[case::after_it("1.30.4", "v2.26", Some("1.30.3"))]
#[case::newer_than_all_profiles("1.32.0", "v2.27", Some("1.31.0"))]
#[case::pre_release_of_a_newer_one("1.32.0-alpha.1", "v2.27", Some("1.31.0"))]
fn release_whose_addon_was_not_read_may_have_a_newer_image(
    #[case] version: &str,
    #[case] tag: &str,
    #[case] read: Option<&str>,
) {
    let image = format!("quay.io/kiali/kiali:{tag}");
    let expected = match read {
        Some(read) => KialiAddon::IsOrNewer { image, read: read.to_owned() },
        None => KialiAddon::Is(image),
    };
    assert_eq!(kiali_addon(version), Some(expected));
}
