//! The configuration file of the program before, unchanged but for its ports and passwords, on a Redis and a PostgreSQL of its own.

mod support;

use std::fs;

use serde_json::json;
use support::corec;
use support::postgres::{PASSWORD, Postgres};
use support::redis::{Acl, Options, Redis};

#[test]
fn the_old_file_runs_on_its_servers_and_old_queries_go_on() {
    let acl = Acl { password: "secure_password".into(), ..Acl::default() };
    let Some(redis) = Redis::start(Options { acl: Some(acl), ..Options::default() }) else { return };
    let Some(postgres) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let old = json!({
        "instance_id": "corec1",
        "db_config": {"dbname": "postgres", "user": "postgres", "password": PASSWORD, "host": "127.0.0.1", "port": postgres.port().to_string()},
        "redis_config": {"host": "127.0.0.1", "port": redis.port(), "username": "corec_user", "password": "secure_password"},
        "bloques": [
            {"id": "enjambre_sensor", "canal": 1, "entidades": 9000, "max_size_mb": 1, "entidades_por_bloque": 1000,
             "autoreparacion": {"max_errores": 0.05, "min_fitness": 0.2}},
            {"id": "nodo_seguridad", "canal": 2, "entidades": 1000, "max_size_mb": 1, "entidades_por_bloque": 1000},
        ],
        "modules": ["registro", "ejecucion", "sincronización", "auditoria"],
        "rol": "generica",
    });
    fs::write(folder.path().join("corec_config.json"), old.to_string()).unwrap();
    let run = corec(folder.path(), &["run", "./corec_config.json", "--ticks", "20"]);
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}");
    assert!(said.contains("redis://corec_user:***@") && !said.contains("secure_password"), "{said}");
    let rows =
        postgres.sql("SELECT id, canal, num_entidades, instance_id FROM bloques ORDER BY canal, timestamp");
    assert!(
        rows.contains("enjambre_sensor|1|9000|corec1") && rows.contains("nodo_seguridad|2|1000|corec1"),
        "{rows}"
    );
}
