// @generated automatically by Diesel CLI.

diesel::table! {
    blacklist (jti) {
        jti -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    clients (id) {
        id -> Text,
        secret_hash -> Nullable<Binary>,
        grants -> Text,
        scopes -> Text,
        default_scopes -> Nullable<Text>,
        audience -> Nullable<Text>,
        token_type -> Nullable<Text>,
        access_token_lifetime -> Nullable<BigInt>,
        refresh_idle_lifetime -> Nullable<BigInt>,
        refresh_absolute_lifetime -> Nullable<BigInt>,
        refresh_reuse_leeway -> Nullable<BigInt>,
        refresh_rotation -> Bool,
        claims -> Text,
        disabled -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    key_ring (id) {
        id -> Integer,
        version -> BigInt,
    }
}

diesel::table! {
    mac_keys (id) {
        id -> Integer,
        sealed_jwk -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    recovery_codes (user_id, hash) {
        user_id -> Text,
        hash -> Binary,
    }
}

diesel::table! {
    sessions (id) {
        id -> Binary,
        user_id -> Text,
        client_id -> Text,
        scope -> Text,
        resource -> Nullable<Text>,
        amr -> Text,
        generation -> BigInt,
        created_at -> BigInt,
        advanced_at -> BigInt,
        expires_at -> BigInt,
        ends_at -> BigInt,
        closed_at -> Nullable<BigInt>,
        close_reason -> Nullable<Text>,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        algorithm -> Text,
        state -> Text,
        public_jwk -> Text,
        sealed_private_jwk -> Nullable<Text>,
        created_at -> BigInt,
        published_at -> BigInt,
        activated_at -> Nullable<BigInt>,
        retired_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        promoted_by -> Nullable<Text>,
        propagation_time -> BigInt,
        retention -> BigInt,
    }
}

diesel::table! {
    totp (user_id) {
        user_id -> Text,
        sealed_secret -> Text,
        confirmed_at -> Nullable<BigInt>,
        last_step -> BigInt,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        username -> Text,
        username_key -> Text,
        email -> Nullable<Text>,
        password_hash -> Text,
        scopes -> Nullable<Text>,
        claims -> Text,
        disabled -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        last_login_at -> Nullable<BigInt>,
    }
}

diesel::joinable!(recovery_codes -> users (user_id));
diesel::joinable!(sessions -> clients (client_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(totp -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    blacklist,
    clients,
    key_ring,
    mac_keys,
    recovery_codes,
    sessions,
    signing_keys,
    totp,
    users,
);
