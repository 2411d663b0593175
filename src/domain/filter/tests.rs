use proptest::prelude::*;

use serde_json::json;

use super::area::MAX_CORNERS;
use super::*;
use crate::domain::Sample;

fn device(test: impl FnOnce(&Subject<'_>)) {
    let device_id = DeviceId::new("t-001").unwrap();
    let tags = Tags::from([("region".to_owned(), "east".to_owned()), ("kind".to_owned(), "tour bus".to_owned())]);
    let modules = Modules::from([(ModuleName::new("app1").unwrap(), Version::new("1.2.9").unwrap())]);
    let sample =
        Sample { cpu_utilization: Some(81.5), latitude: Some(31.2304), longitude: Some(121.4737), ..Sample::default() };
    let said =
        json!({"battery": 20, "door": "Open", "parked": true, "power": {"grid": 229.5}, "cells": [1], "off": null});
    let readings = Readings { sample, fields: said.as_object().unwrap().clone() };
    test(&Subject {
        device_id: &device_id,
        name: "Line 7 \u{7ec8}\u{7aef}",
        online: true,
        tags: &tags,
        modules: &modules,
        readings: Some(&readings),
    });
}

#[test]
fn a_filter_says_which_devices_are_meant() {
    device(|subject| {
        for (text, wanted) in [
            ("module.app1 < 1.3.0 and tag.region = east and not offline", true),
            ("module.app1 < 1.3.0 and tag.region = east and not online", false),
            ("module.app1 < 1.10", true),
            ("module.app1 = 1.2.9", true),
            ("module.app1 >= 1.3.0 or name ~ LINE", true),
            ("name ~ \u{7ec8}\u{7aef}", true),
            ("id in (t-000, t-001)", true),
            ("id = T-001", false),
            ("ID='t-001'AND(ONLINE)", true),
            ("module.app1 in (1.2.8, 1.2.9)", true),
            ("module.app1 ~ 1.2", true),
            ("module.app2 = none and module.app1 != none", true),
            ("tag.kind = \"tour bus\"", true),
            ("cpu > 80 and cpu <= 81.5", true),
            ("online = false or online != true", false),
            ("not not online", true),
            ("offline and offline or online", true),
            ("offline and (offline or online)", false),
            ("report.battery < 20.5 and report.battery >= 20", true),
            ("report.battery = 20.0 and report.battery != 21", true),
            ("report.battery in (19, 20)", true),
            ("report.power.grid > 229", true),
            ("report.door = Open and report.door != open", true),
            ("report.door ~ OP and not report.battery ~ 2", true),
            ("report.door > 1 or report.parked > 0 or report.cells > 0", false),
            ("report.parked = true and report.parked != false", true),
            ("report.cells != none and report.cells != 1", true),
            ("report.off = none", true),
            ("location in circle(31.2, 121.5, 10)", true),
            ("location in Circle(31.2, 121.5, 3)", false),
            ("location in polygon(31, 121, 31, 122, 32, 122, 32, 121)", true),
            ("not location in polygon(31, 121, 31, 121.4, 32, 121)", true),
            ("location != none", true),
        ] {
            assert_eq!(Filter::parse(text).unwrap().matches(subject), wanted, "{text}");
        }
    });
}

#[test]
fn of_what_a_device_lacks_nothing_is_true_but_that_it_is_not() {
    device(|subject| {
        for field in ["module.app2", "tag.nothing", "speed", "report.nothing", "report.battery.x"] {
            for (test, wanted) in
                [("= 1", false), ("!= 1", true), ("in (1)", false), ("= none", true), ("!= none", false)]
            {
                let text = format!("{field} {test}");
                assert_eq!(Filter::parse(&text).unwrap().matches(subject), wanted, "{text}");
            }
        }
        for (field, sign) in [("module.app2", "<"), ("module.app2", ">="), ("speed", "<="), ("speed", ">")] {
            assert!(!Filter::parse(&format!("{field} {sign} 1")).unwrap().matches(subject), "{field} {sign}");
        }
        let without = Subject { readings: None, ..*subject };
        for (text, wanted) in [
            ("location = none", true),
            ("location in circle(31.2, 121.5, 20016)", false),
            ("report.battery = none", true),
            ("report.battery < 100", false),
            ("report.battery != 20", true),
        ] {
            assert_eq!(Filter::parse(text).unwrap().matches(&without), wanted, "{text}");
        }
        assert!(!Filter::parse("cpu > 0").unwrap().matches(&without));
        assert!(Filter::parse("cpu = none").unwrap().matches(&without));
    });
}

#[test]
fn an_error_points_at_the_place() {
    for (text, at, expected, found) in [
        ("", 1, "id, name", "the end"),
        ("online and", 11, "id, name", "the end"),
        ("online offline", 8, "`and`, `or` or the end", "`offline`"),
        ("\u{e9}t\u{e9} = 1", 1, "tag.NAME", "`\u{e9}t\u{e9}`"),
        ("name = \u{e9} x", 10, "the end", "`x`"),
        ("module.app1 < ", 15, "a version", "the end"),
        ("module.app1 < 'a b'", 15, "a version", "`'a b'`"),
        ("name < b", 6, "=, !=, ~ or in", "`<`"),
        ("cpu ~ 1", 5, "=, !=, <, <=, >, >= or in", "`~`"),
        ("cpu > hot", 7, "a number", "`hot`"),
        ("cpu > nan", 7, "a number", "`nan`"),
        ("(online", 8, "`)`", "the end"),
        ("id in t-1", 7, "`(`", "`t-1`"),
        ("id in (t-1", 11, "`,` or `)`", "the end"),
        ("tag.region = and online", 14, "in quotes", "`and`"),
        ("id = none", 6, "in quotes", "`none`"),
        ("name = 'x", 10, "' to end the text that begins at 8", "the end"),
        ("online ! x", 8, "a word", "`!`"),
        ("tag. = x", 1, "tag.NAME", "`tag.`"),
        ("report. = x", 1, "report.FIELD", "`report.`"),
        ("report.a..b = x", 1, "report.FIELD", "`report.a..b`"),
        ("report.a < b", 12, "a number", "`b`"),
        ("location = here", 12, "none", "`here`"),
        ("location < 1", 10, "in, = none", "`<`"),
        ("location in square(1)", 13, "circle(LATITUDE", "`square`"),
        ("location in circle(91, 0, 1)", 20, "a latitude", "`91`"),
        ("location in circle(1, 181, 1)", 23, "a longitude", "`181`"),
        ("location in circle(1, 2)", 24, "kilometres", "`)`"),
        ("location in circle(1, 2, 0)", 26, "above 0", "`0`"),
        ("location in polygon(1, 2, 3, 4)", 31, "three or more", "`)`"),
        ("location in polygon(1, 2, 3)", 28, "the longitude", "`)`"),
        ("online = maybe", 10, "true or false", "`maybe`"),
    ] {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!((error.at, error.found.as_str()), (at, found), "{text}: {error}");
        assert!(error.expected.contains(expected), "{text}: {error}");
        assert!(text.get(error.bytes.clone()).is_some(), "{text}: {error:?}");
    }
    let corners = |count: usize| format!("location in polygon({})", vec!["1, 2"; count].join(", "));
    assert!(Filter::parse(&corners(MAX_CORNERS)).is_ok());
    assert!(Filter::parse(&corners(MAX_CORNERS + 1)).unwrap_err().expected.contains("at most 100"));
    assert_eq!(
        Filter::parse("module.app1 < ").unwrap_err().to_string(),
        "at 15: expected a version, 1 to 64 of the characters A-Z a-z 0-9 . _ : + -, found the end"
    );
}

#[test]
fn length_and_depth_have_their_ends() {
    let deep = |depth: usize| format!("{}online{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(Filter::parse(&deep(MAX_DEPTH + 1)).unwrap_err().at, MAX_DEPTH + 1);
    assert!(Filter::parse(&format!("{} online", "not".to_owned() + &" not".repeat(1000))).is_err());
    let chain = |parts: usize| vec!["online"; parts].join(" and ");
    assert!(Filter::parse(&chain(370)).is_ok());
    assert!(Filter::parse(&chain(400)).unwrap_err().expected.contains("4096"));
    assert!(Filter::parse(&"\u{7ec8}".repeat(2000)).is_err());
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9.]{1,8}", ".{0,6}", Just("none".to_owned()), Just("And".to_owned()), Just("a\"b\\'".to_owned())]
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    (0..6_usize).prop_map(|index| Comparison::ALL[index].1)
}

fn leaves() -> impl Strategy<Value = Tree> {
    let tag = || TextField::Tag("region.sub".to_owned());
    let version = || "[0-9a-zA-Z~.+_:-]{1,8}".prop_filter_map("no version", |text| Version::new(&text).ok());
    let module = || ModuleName::new("app1").unwrap();
    let number = || (-1e9..1e9).prop_map(Finite);
    let point = || {
        (-90.0..=90.0_f64, -180.0..=180.0_f64)
            .prop_map(|(latitude, longitude)| Point { latitude: Finite(latitude), longitude: Finite(longitude) })
    };
    let place = |area| Tree::Location(PlaceTest::In(area));
    let said = |test| Tree::Field("power.grid".to_owned(), test);
    prop_oneof![
        any::<bool>().prop_map(Tree::Online),
        values().prop_map(|value| Tree::Text(TextField::Id, TextTest::Is(value))),
        values().prop_map(|value| Tree::Text(TextField::Name, TextTest::Contains(value))),
        values().prop_map(move |value| Tree::Text(tag(), TextTest::IsNot(value))),
        proptest::collection::vec(values(), 1..4).prop_map(move |values| Tree::Text(tag(), TextTest::In(values))),
        Just(Tree::Text(tag(), TextTest::Absent)),
        (comparisons(), version()).prop_map(move |(how, v)| Tree::Module(module(), VersionTest::Compare(how, v))),
        proptest::collection::vec(version(), 1..4).prop_map(move |v| Tree::Module(module(), VersionTest::In(v))),
        Just(Tree::Module(module(), VersionTest::Present)),
        (point(), 0.001..20_000.0_f64).prop_map(move |(centre, km)| place(Area::Circle(centre, Finite(km)))),
        proptest::collection::vec(point(), 3..6).prop_map(move |corners| place(Area::Polygon(corners))),
        Just(Tree::Location(PlaceTest::Absent)),
        values().prop_map(move |value| said(FieldTest::Text(TextTest::Is(value)))),
        proptest::collection::vec(values(), 1..4).prop_map(move |values| said(FieldTest::Text(TextTest::In(values)))),
        Just(said(FieldTest::Text(TextTest::Present))),
        (comparisons(), number()).prop_filter_map("texts", move |(how, n)| {
            (!matches!(how, Comparison::Is | Comparison::IsNot)).then(|| said(FieldTest::Number(how, n)))
        }),
        (comparisons(), number()).prop_map(|(how, n)| Tree::Number(NumberField::Disk, NumberTest::Compare(how, n))),
        proptest::collection::vec(number(), 1..4).prop_map(|n| Tree::Number(NumberField::Load, NumberTest::In(n))),
    ]
}

fn trees() -> impl Strategy<Value = Tree> {
    leaves().prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Tree::And),
            proptest::collection::vec(inner, 2..4).prop_map(Tree::Or),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_as_the_same_tree(tree in trees()) {
        let printed = tree.to_string();
        prop_assume!(printed.len() <= MAX_FILTER_BYTES);
        let filter = Filter::parse(&printed);
        prop_assert_eq!(filter.as_ref().map(|filter| &filter.tree), Ok(&tree), "{}", printed);
        prop_assert_eq!(filter.unwrap().reading(), printed);
    }

    #[test]
    fn garbage_is_refused_at_a_place_within_it(text in ".{0,200}") {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(text.get(error.bytes.clone()).is_some() && error.at <= text.chars().count() + 1);
        }
    }

    #[test]
    fn words_in_any_order_never_panic(words in proptest::collection::vec(
        prop_oneof![Just("and"), Just("or"), Just("not"), Just("("), Just(")"), Just("in"), Just(","), Just("="), Just("<"),
            Just("~"), Just("!="), Just("'a b'"), Just("online"), Just("cpu"), Just("name"), Just("module.app1"),
            Just("tag.a"), Just("1.2"), Just("none"), Just("location"), Just("circle"), Just("polygon"), Just("report.a")], 0..40)) {
        if let Ok(filter) = Filter::parse(&words.join(" ")) {
            prop_assert_eq!(Filter::parse(&filter.reading()), Ok(filter));
        }
    }
}
