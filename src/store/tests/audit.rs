use serde_json::json;

use super::super::connection::{Address, Purpose};
use super::super::dialect::Sql;
use super::*;

fn entry(verb: &str, subject: &str) -> AuditEntry {
    AuditEntry::new(at(7), verb, subject, &json!({"a": "\u{e9}"})).by("ann", AuditVia::User, Some(Role::Operator))
}

#[test]
fn an_act_leaves_its_line_and_what_did_nothing_leaves_none() {
    on_each_database(|store| async move {
        joined(&store, "t-1", &[], 0).await;
        let rename = |id: &str| store.audited(entry("device.change", id));
        assert!(rename("t-1").update_device(&id("t-1"), Some("bus".to_owned()), None).await.unwrap());
        assert!(!rename("t-9").update_device(&id("t-9"), Some("bus".to_owned()), None).await.unwrap());
        store.audited(entry("group.save", "old")).save_group(group("old", "online")).await.unwrap();
        store.audit(entry("rollout.start", "7")).await.unwrap();
        let page = store.audit_rows(AuditQuery { limit: 2, ..AuditQuery::default() }).await.unwrap().unwrap();
        let behind = AuditQuery { limit: 2, after: page.next.clone(), ..AuditQuery::default() };
        let rest = store.audit_rows(behind).await.unwrap().unwrap();
        let rows: Vec<AuditRow> = page.items.into_iter().chain(rest.items).collect();
        let told: Vec<(i64, &str, &str)> =
            rows.iter().map(|row| (row.number, row.entry.verb.as_str(), row.entry.subject.as_str())).collect();
        assert_eq!(told, [(1, "device.change", "t-1"), (2, "group.save", "old"), (3, "rollout.start", "7")]);
        assert_eq!(rows[0].entry, entry("device.change", "t-1"));
        let check = store.check_audit().await.unwrap();
        assert_eq!((check.head.number, check.wrong), (3, None));
        let of = |who: &str| AuditQuery { who: Some(who.to_owned()), newest_first: true, ..AuditQuery::default() };
        let newest = store.audit_rows(AuditQuery { limit: 1, ..of("ann") }).await.unwrap().unwrap();
        assert_eq!(newest.items[0].number, 3);
        assert!(store.audit_rows(of("bob")).await.unwrap().unwrap().items.is_empty());
    });
}

#[test]
fn what_is_changed_or_deleted_in_the_database_is_found() {
    for (statement, wrong) in [
        ("UPDATE audit SET who = 'bob' WHERE number = 3", "row 3 was changed, or what stands before it"),
        ("UPDATE audit SET details = '{}' WHERE number = 1", "row 1 was changed, or what stands before it"),
        ("UPDATE audit SET hash = 'x' WHERE number = 2", "row 2 was changed: it can't be read"),
        ("DELETE FROM audit WHERE number = 2", "row 2 is missing: row 3 stands in its place"),
        ("DELETE FROM audit WHERE number > 3", "row 4 is missing: the log ended with row 5"),
        ("DELETE FROM audit", "row 1 is missing: the log ended with row 5"),
    ] {
        on_sqlite(|store, path| async move {
            for number in 0..5 {
                store.audit(entry("device.change", &number.to_string())).await.unwrap();
            }
            assert_eq!(store.check_audit().await.unwrap().wrong, None);
            let mut db = Address::Sqlite(path).open(Purpose::Write).unwrap();
            Sql::new(statement).execute(&mut db).unwrap();
            assert_eq!(store.check_audit().await.unwrap().wrong.as_deref(), Some(wrong), "{statement}");
        });
    }
}

#[test]
fn a_group_is_saved_changed_and_deleted() {
    on_each_database(|store| async move {
        assert_eq!(store.save_group(group("old", "module.app1 < 2")).await.unwrap(), Saved::New);
        assert_eq!(store.save_group(group("old", "module.app1 < 3")).await.unwrap(), Saved::Changed);
        assert_eq!(store.groups().await.unwrap()["old"].as_str(), "module.app1 < 3");
        assert_eq!(store.group_list().await.unwrap(), [group("old", "module.app1 < 3")]);
        assert!(store.delete_group("old").await.unwrap());
        assert!(!store.delete_group("old").await.unwrap());
    });
}

fn group(name: &str, filter: &str) -> Group {
    let filter = Filter::parse(filter).unwrap();
    Group { name: name.to_owned(), filter, created_at: at(3), created_by: "ann".to_owned() }
}
