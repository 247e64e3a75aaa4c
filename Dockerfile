# docker build -t chancery .
# docker run -p 8080:8080 -v chancery:/var/lib/chancery -e CHANCERY__ISSUER__URL=https://auth.example.com chancery

FROM rust:1.95.0-bookworm AS build
WORKDIR /build
# The dependencies are compiled on their own first, with nothing of Chancery's, so that this layer stays as long as
# they do.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src \
    && touch src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked --bin chancery
COPY src src
COPY migrations migrations
COPY docs/chancery.toml docs/chancery.toml
# Cargo goes by the time of a file, and those copied may be older than the empty ones.
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked --bin chancery

FROM debian:bookworm-slim
RUN groupadd --gid 10001 chancery \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/chancery --shell /usr/sbin/nologin chancery \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/chancery
COPY --from=build /build/target/release/chancery /usr/local/bin/chancery
ENV CHANCERY__SERVER__BIND=0.0.0.0:8080 \
    CHANCERY__DATABASE__URL=sqlite:///var/lib/chancery/chancery.db \
    CHANCERY__KEYS__MASTER_KEY_FILE=/var/lib/chancery/master.key
USER 10001:10001
WORKDIR /var/lib/chancery
VOLUME /var/lib/chancery
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["chancery", "healthcheck"]
ENTRYPOINT ["chancery"]
CMD ["serve"]
