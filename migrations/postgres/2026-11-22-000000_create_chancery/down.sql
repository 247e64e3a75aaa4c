DROP TABLE mac_keys;
DROP TABLE signing_keys;
DROP TABLE key_ring;
DROP TABLE blacklist;
DROP TABLE sessions;
DROP TABLE clients;
DROP TABLE users;
