use super::*;

#[test]
fn a_name_is_taken_whatever_the_case() {
    on_each_database(|store| async move {
        let ann = store.add_first_admin("Änn", "hash", at(0)).await.unwrap().unwrap();
        assert_eq!(store.add_first_admin("bob", "hash", at(0)).await.unwrap(), None);
        assert_eq!(store.add_user("äNN", "hash", Role::Viewer, at(0)).await.unwrap(), None);
        assert_eq!(store.user_by_name("ÄNN").await.unwrap(), Some(ann.clone()));
        assert_eq!(store.user(ann.id).await.unwrap(), Some(ann));
    });
}

#[test]
fn the_last_admin_stays() {
    on_each_database(|store| async move {
        let ann = store.add_first_admin("ann", "hash", at(0)).await.unwrap().unwrap();
        let bob = store.add_user("bob", "hash", Role::Operator, at(0)).await.unwrap().unwrap();
        assert!(!store.set_role(ann.id, Role::Viewer).await.unwrap());
        assert!(!store.delete_user(ann.id).await.unwrap());
        assert!(store.set_role(ann.id, Role::Admin).await.unwrap(), "nothing changes");
        assert!(store.set_role(bob.id, Role::Admin).await.unwrap());
        assert!(store.delete_user(ann.id).await.unwrap());
        assert!(!store.delete_user(bob.id).await.unwrap());
        assert!(!store.delete_user(999).await.unwrap());
        assert!(store.set_password(bob.id, "other").await.unwrap());
        let users = store.users().await.unwrap();
        assert_eq!((users.len(), users[0].password_hash.as_str(), users[0].role), (1, "other", Role::Admin));
    });
}

#[test]
fn a_session_ends_with_its_time_and_with_its_user() {
    on_each_database(|store| async move {
        store.add_first_admin("root", "hash", at(0)).await.unwrap();
        let ann = store.add_user("ann", "hash", Role::Viewer, at(0)).await.unwrap().unwrap();
        store.save_session(&hash("s"), Some(ann.id), "{}", at(10)).await.unwrap();
        store.save_session(&hash("s"), Some(ann.id), "{\"a\":1}", at(20)).await.unwrap();
        store.save_session(&hash("anonymous"), None, "{}", at(20)).await.unwrap();
        assert_eq!(store.session(&hash("s"), at(19)).await.unwrap().as_deref(), Some("{\"a\":1}"));
        assert_eq!(store.session_in_use(&hash("s"), at(19)).await.unwrap().map(|found| found.user), Some(ann.clone()));
        assert!(store.session_in_use(&hash("anonymous"), at(19)).await.unwrap().is_none());
        assert_eq!(store.session(&hash("s"), at(20)).await.unwrap(), None);
        assert!(store.prolong_session(&hash("s"), "{}", at(30)).await.unwrap());
        assert_eq!(store.session(&hash("s"), at(29)).await.unwrap().as_deref(), Some("{}"));
        store.delete_session(&hash("s")).await.unwrap();
        assert!(!store.prolong_session(&hash("s"), "{}", at(40)).await.unwrap(), "ended meanwhile");
        store.save_session(&hash("s"), Some(ann.id), "{\"a\":1}", at(20)).await.unwrap();
        assert!(store.session_in_use(&hash("s"), at(20)).await.unwrap().is_none());
        store.save_session(&hash("other"), Some(ann.id), "{}", at(20)).await.unwrap();
        assert_eq!(store.end_sessions(ann.id, Some(&hash("s"))).await.unwrap(), 1);
        assert!(store.delete_user(ann.id).await.unwrap());
        assert_eq!(store.session(&hash("s"), at(1)).await.unwrap(), None);
        store.save_session(&hash("late"), Some(ann.id), "{}", at(20)).await.unwrap();
        assert_eq!(store.session(&hash("late"), at(1)).await.unwrap(), None);
        assert_eq!(store.prune_sessions(at(20)).await.unwrap(), 1);
        store.delete_session(&hash("anonymous")).await.unwrap();
    });
}

#[test]
fn an_api_token_works_until_it_ends_or_is_revoked() {
    on_each_database(|store| async move {
        let ci = store.add_api_token("ci", Role::Operator, &hash("t"), "ann", Some(at(10)), at(0)).await.unwrap();
        assert_eq!(store.api_token(&hash("t"), at(9)).await.unwrap(), Some(ci.clone()));
        assert_eq!(store.api_token(&hash("t"), at(10)).await.unwrap(), None);
        assert_eq!(store.api_token(&hash("T"), at(9)).await.unwrap(), None);
        let own = store.add_api_token("own", Role::Viewer, &hash("u"), "ann", None, at(0)).await.unwrap();
        assert!(store.revoke_api_token(own.id).await.unwrap());
        assert_eq!(store.api_token(&hash("u"), at(1)).await.unwrap(), None);
        let all = store.api_tokens().await.unwrap();
        assert_eq!(
            all.iter().map(|token| (token.id, token.revoked)).collect::<Vec<_>>(),
            [(own.id, true), (ci.id, false)]
        );
    });
}

#[test]
fn a_setting_is_kept_changed_and_removed() {
    on_each_database(|store| async move {
        assert_eq!(store.setting("a").await.unwrap(), None);
        store.set_setting("a", Some("1")).await.unwrap();
        store.set_setting("a", Some("2 终端")).await.unwrap();
        assert_eq!(store.setting("a").await.unwrap().as_deref(), Some("2 终端"));
        store.set_setting("a", None).await.unwrap();
        assert_eq!(store.setting("a").await.unwrap(), None);
        store.ping().await.unwrap();
    });
}
