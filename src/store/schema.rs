//! The tables, as both databases have them. `migrations` is their only source; a test compares the databases.

diesel::table! {
    settings (name) { name -> Text, value -> Text, }
}
diesel::table! {
    devices (key_id) {
        key_id -> BigInt, device_id -> Text, name -> Text, search_key -> Text, online -> Bool, since -> BigInt,
        created_at -> BigInt, token_hash -> Nullable<Text>, may_enrol_again -> Bool, sets -> Bool,
    }
}
diesel::table! {
    device_tags (key_id, name) { key_id -> BigInt, name -> Text, value -> Text, }
}
diesel::table! {
    device_modules (key_id, module) {
        key_id -> BigInt, module -> Text, version -> Text, previous -> Nullable<Text>, since -> BigInt,
    }
}
diesel::table! {
    version_changes (id) {
        id -> BigInt, key_id -> BigInt, module -> Text, old_version -> Nullable<Text>, new_version -> Nullable<Text>,
        changed_at -> BigInt,
    }
}
diesel::table! {
    device_status (key_id) {
        key_id -> BigInt, reported_at -> BigInt, received_at -> BigInt, cpu_utilization -> Nullable<Double>,
        load_average -> Nullable<Double>, temperature -> Nullable<Double>, disk_used_percent -> Nullable<Double>,
        speed -> Nullable<Double>, latitude -> Nullable<Double>, longitude -> Nullable<Double>,
    }
}
diesel::table! {
    device_reports (key_id) {
        key_id -> BigInt, body -> Text, boot_id -> Nullable<Text>, ranges -> Nullable<Text>, recent -> Text,
    }
}
diesel::table! {
    sample_blocks (id) {
        id -> BigInt, key_id -> BigInt, first_at -> BigInt, last_at -> BigInt, samples -> Text,
    }
}
diesel::table! {
    report_runs (key_id, boot_id) { key_id -> BigInt, boot_id -> Text, ranges -> Text, updated_at -> BigInt, }
}
diesel::table! {
    packages (id) {
        id -> BigInt, name -> Text, version -> Text, size -> BigInt, sha256 -> Text, file_name -> Text,
        notes -> Text, created_at -> BigInt, created_by -> Text, signed_by -> Nullable<Text>,
        signature -> Nullable<Text>, requirements -> Nullable<Text>,
    }
}
diesel::table! {
    modules (name) { name -> Text, current_version -> Nullable<Text>, }
}
diesel::table! {
    rollouts (id) {
        id -> BigInt, state -> Text, why -> Nullable<Text>, allow_rollback -> Bool, target -> Text, policy -> Text,
        open_stages -> BigInt, stages -> BigInt, created_at -> BigInt, created_by -> Text,
        ended_at -> Nullable<BigInt>, plan -> Nullable<Text>, approved_by -> Nullable<Text>,
        takes_back -> Nullable<BigInt>,
    }
}
diesel::table! {
    rollout_packages (rollout_id, position) {
        rollout_id -> BigInt, position -> BigInt, module -> Text, version -> Text, size -> BigInt, sha256 -> Text,
        signature -> Nullable<Text>, previous_version -> Nullable<Text>, requirements -> Nullable<Text>,
    }
}
diesel::table! {
    assignments (rollout_id, key_id, module) {
        rollout_id -> BigInt, key_id -> BigInt, module -> Text, from_version -> Nullable<Text>, to_version -> Text,
        state -> Text, reason -> Nullable<Text>, stage -> BigInt, attempts -> BigInt, until -> Nullable<BigInt>,
        seen_since -> Nullable<BigInt>, updated_at -> BigInt,
    }
}
diesel::table! {
    assignment_history (id) {
        id -> BigInt, rollout_id -> BigInt, key_id -> BigInt, module -> Text, state -> Text, reason -> Nullable<Text>,
        changed_at -> BigInt,
    }
}
diesel::table! {
    strikes (key_id, module) {
        key_id -> BigInt, module -> Text, version -> Text, failures -> BigInt, rollout_id -> BigInt,
        reason -> Nullable<Text>, struck_at -> BigInt,
    }
}
diesel::table! {
    users (id) {
        id -> BigInt, name -> Text, name_key -> Text, password_hash -> Text, role -> Text, created_at -> BigInt,
    }
}
diesel::table! {
    sessions (key_hash) {
        key_hash -> Text, user_id -> Nullable<BigInt>, state -> Text, expires_at -> BigInt,
        began_at -> Nullable<BigInt>, seen_at -> Nullable<BigInt>, address -> Nullable<Text>,
        browser -> Nullable<Text>,
    }
}
diesel::table! {
    second_factors (user_id) { user_id -> BigInt, secret -> Text, since -> BigInt, last_step -> BigInt, }
}
diesel::table! {
    recovery_codes (hash) { hash -> Text, user_id -> BigInt, }
}
diesel::table! {
    api_tokens (id) {
        id -> BigInt, name -> Text, role -> Text, hash -> Text, created_at -> BigInt, created_by -> Text,
        expires_at -> Nullable<BigInt>, revoked -> Bool,
    }
}
diesel::table! {
    enrolment_tokens (id) {
        id -> BigInt, hash -> Text, created_at -> BigInt, created_by -> Text, uses_left -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>, revoked -> Bool,
    }
}

diesel::table! {
    device_groups (name) { name -> Text, filter -> Text, created_at -> BigInt, created_by -> Text, }
}
diesel::table! {
    audit (number) {
        number -> BigInt, created_at -> BigInt, who -> Text, via -> Text, role -> Nullable<Text>, verb -> Text,
        subject -> Text, details -> Text, hash -> Text,
    }
}
diesel::table! {
    audit_head (id) { id -> BigInt, number -> BigInt, hash -> Text, }
}

diesel::table! {
    connections (id) {
        id -> BigInt, key_id -> BigInt, online -> Bool, cause -> Text, happened_at -> BigInt,
    }
}
diesel::table! {
    fleet_course (counted_at) { counted_at -> BigInt, online -> BigInt, devices -> BigInt, }
}
diesel::table! {
    saved_views (name) { name -> Text, query -> Text, created_at -> BigInt, created_by -> Text, }
}

diesel::allow_tables_to_appear_in_same_query!(
    devices,
    device_status,
    device_reports,
    sessions,
    users,
    rollouts,
    rollout_packages
);
