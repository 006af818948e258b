//! The API without sockets, from the view of a real ledger.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod service;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use memtap_server::{Bounds, router};
use serde_json::Value;
use service::{settings, state};
use tower::ServiceExt as _;

fn service() -> Router {
    router(&settings(Bounds::default()), state())
}

async fn ask(request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, Vec<u8>) {
    let answer = service().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

fn request(path: &str) -> axum::http::request::Builder {
    Request::builder().uri(path).header(header::HOST, "127.0.0.1:3000")
}

async fn get(path: &str) -> (StatusCode, Value) {
    let (status, _, body) = ask(request(path).body(Body::empty()).unwrap()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn one_process_with_its_account() {
    let (status, perl) = get("/api/v1/processes/7").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(perl["name"], "perl");
    assert_eq!(perl["start_time"], "2026-11-23T10:00:00.000Z");
    assert_eq!(
        perl["calls"]["mmap"],
        serde_json::json!({ "count": 2, "requested_bytes": 8192, "refused": 1 })
    );
    assert_eq!(
        (&perl["virtual_bytes"], &perl["granted_bytes"], &perl["opening_bytes"]),
        (&16384.into(), &8192.into(), &8192.into())
    );
    assert_eq!(perl["memory_percentage"].as_f64(), Some(4096.0 * 100.0 / f64::from(1 << 20)));
    let refusals = serde_json::json!([{ "call": "mmap", "errno": 12, "error": "ENOMEM", "count": 1 }]);
    assert_eq!((&perl["refusals"], &perl["lost"]), (&refusals, &0.into()));
    assert!(perl.get("pss_bytes").is_none(), "PSS is told when it is asked for");
    let (_, ended) = get("/api/v1/processes/9").await;
    assert_eq!((&ended["state"], &ended["end_time"]), (&"ended".into(), &"2026-11-23T10:00:00.005Z".into()));
    assert_eq!((&ended["virtual_bytes"], &ended["ended_bytes"]), (&0.into(), &4096.into()));
    assert_eq!(get("/api/v1/processes/4711").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get("/api/v1/processes/perl").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn pss_is_read_for_one_process() {
    let (status, perl) = get("/api/v1/processes/7?pss=true").await;
    assert_eq!((status, &perl["pss_bytes"], &perl["uss_bytes"]), (StatusCode::OK, &3.into(), &2.into()));
    assert_eq!(perl["pss_age_s"], 0.0);
    let (status, denied) = get("/api/v1/processes/8?pss=true").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(denied["error"].as_str().unwrap().contains("CAP_SYS_PTRACE"), "{denied}");
}

#[tokio::test]
async fn mappings_and_limits_belong_to_the_requested_process() {
    let (status, answer) = get("/api/v1/processes/7/mappings?start_time=2026-11-23T10:00:00.9Z").await;
    assert_eq!((status, &answer["total"]["virtual_bytes"]), (StatusCode::OK, &16384.into()), "{answer}");
    let heap = serde_json::json!({ "class": "heap", "mappings": 1, "virtual_bytes": 8192, "resident_bytes": null, "swap_bytes": null });
    assert_eq!((&answer["classes"][0], &answer["files"][0]["name"]), (&heap, &"/a\n<b>".into()));
    let (_, answer) = get("/api/v1/processes/7/limits").await;
    let space = serde_json::json!([{ "name": "address_space", "soft_bytes": 1 << 30, "hard_bytes": null, "used_bytes": 16384, "lifted": false }]);
    assert_eq!(
        (&answer["limits"], &answer["overcommit"]["mode"], &answer["cgroup"]),
        (&space, &2.into(), &Value::Null)
    );

    for path in ["9/limits", "4711/mappings", "7/limits?start_time=2026-11-23T10:00:01Z"] {
        let (status, answer) = get(&format!("/api/v1/processes/{path}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {answer}");
    }
    let (status, denied) = get("/api/v1/processes/8/mappings").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(denied["error"].as_str().unwrap().contains("CAP_SYS_PTRACE"), "{denied}");
    assert_eq!(get("/api/v1/processes/perl/limits").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn oom_kills_have_victim_and_asker() {
    let (_, answer) = get("/api/v1/oom").await;
    let kill = &answer["oom_kills"][0];
    assert_eq!(
        (&kill["pid"], &kill["asker_pid"], &kill["asker_name"]),
        (&8.into(), &7.into(), &"perl".into())
    );
    assert_eq!(kill["process_name"], "<img src=x\n\u{1b}\"\\xff");
}

#[tokio::test]
async fn processes_are_sorted_filtered_and_cut() {
    let pids = |answer: &Value| -> Vec<u64> {
        answer["processes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|process| process["pid"].as_u64().unwrap())
            .collect()
    };
    for (query, expected) in [
        ("", vec![7, 8]),
        ("?sort=virtual_bytes&order=asc", vec![8, 7]),
        ("?ended=true&sort=pid&order=asc", vec![7, 8, 9]),
        ("?name=PER", vec![7]),
        ("?limit=1", vec![7]),
        ("?sort=memory_percentage", vec![7, 8]),
    ] {
        let (status, answer) = get(&format!("/api/v1/processes{query}")).await;
        assert_eq!((status, pids(&answer)), (StatusCode::OK, expected), "{query}");
    }
    for wrong in ["?sort=magic", "?order=up", "?limit=0", "?limit=10001", "?ended=maybe", "?nmae=perl"] {
        let (status, answer) = get(&format!("/api/v1/processes{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(answer["error"].as_str().unwrap().len() > 20, "{answer}");
    }
}

#[tokio::test]
async fn without_a_store_the_latest_requests_are_returned() {
    let (_, answer) = get("/api/v1/requests?pid=7").await;
    let requests = answer["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        (&requests[0]["error"], &requests[0]["errno"]),
        (&"ENOMEM".into(), &12.into()),
        "newest first"
    );
    assert_eq!((&requests[0]["memory_size"], &requests[0]["delta_bytes"]), (&u64::MAX.into(), &0.into()));
    assert_eq!(
        (&requests[1]["memory_size"], &requests[1]["address"]),
        (&8192.into(), &"0x7f0000000000".into())
    );
    assert_eq!(requests[1]["arguments"], "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS");
    for (query, count) in [
        ("?refused=true", 1),
        ("?call=munmap", 0),
        ("?name=img", 1),
        ("?min_size=8192", 2),
        ("?from=2027-01-01T00:00:00Z", 0),
    ] {
        let (_, answer) = get(&format!("/api/v1/requests{query}")).await;
        assert_eq!(answer["requests"].as_array().unwrap().len(), count, "{query}");
    }
    for wrong in ["?call=mmao", "?from=noon", "?min_size=-1", "?pid=x"] {
        assert_eq!(get(&format!("/api/v1/requests{wrong}")).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn hostile_names_are_json_strings() {
    let (_, answer) = get("/api/v1/processes/8").await;
    assert_eq!(answer["name"], "<img src=x\n\u{1b}\"\\xff");
}

#[tokio::test]
async fn health_host_and_share() {
    let (_, health) = get("/api/v1/health").await;
    assert_eq!(
        (&health["source"], &health["requests"]["seen"], &health["requests"]["lost"]),
        (&"bpf".into(), &3.into(), &0.into())
    );
    assert_eq!(health["notices"][0]["fix"], "sudo fix");
    let drops = &health["notices"][1];
    assert!(drops["what"].as_str().unwrap().contains("being dropped"), "{drops}");
    assert!(drops["fix"].as_str().unwrap().contains("--spool-size"), "{drops}");
    for notice in health["notices"].as_array().unwrap() {
        assert_eq!(notice["fix"], notice["mend"], "the former name stays");
    }
    assert!(health["self"]["resident_bytes"].as_u64().unwrap() > 0);
    assert_eq!(
        (&health["clients"]["sessions"], &health["clients"]["refused_by_cause"]["cross_site"]),
        (&0.into(), &0.into())
    );
    let (_, host) = get("/api/v1/host").await;
    assert_eq!((&host["hostname"], &host["memory"]["total_bytes"]), (&"vm".into(), &(1 << 20).into()));
    let (_, share) = get("/api/v1/share").await;
    assert_eq!((&share["total_bytes"], &share["slices"][0]["name"]), (&12288.into(), &"perl".into()));
    assert_eq!(share["others"], Value::Null);
}

#[tokio::test]
async fn foreign_origins_are_refused_and_configured_ones_are_not() {
    let with = |name, value: &str| request("/api/v1/health").header(name, value).body(Body::empty()).unwrap();
    assert_eq!(ask(with(header::ORIGIN, "http://evil.example")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(with(header::ORIGIN, "null")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(with(header::ORIGIN, "http://127.0.0.1:3000")).await.0, StatusCode::OK);
    let (status, headers, _) = ask(with(header::ORIGIN, "http://localhost:5173")).await;
    assert_eq!(
        (status, headers[header::ACCESS_CONTROL_ALLOW_ORIGIN].to_str().unwrap()),
        (StatusCode::OK, "http://localhost:5173")
    );
    let rebound =
        Request::builder().uri("/").header(header::HOST, "evil.example:3000").body(Body::empty()).unwrap();
    assert_eq!(ask(rebound).await.0, StatusCode::MISDIRECTED_REQUEST);
    let post = request("/api/v1/health").method(Method::POST).body(Body::empty()).unwrap();
    let (status, headers, _) = ask(post).await;
    assert_eq!(
        (status, &headers[header::ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD, OPTIONS".parse().unwrap())
    );
}

#[tokio::test]
async fn pages_of_other_sites_may_only_link_to_the_dashboard() {
    let link = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let frame = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    let image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
    let own = [("origin", "http://127.0.0.1:3000"), ("sec-fetch-mode", "cors")];
    let configured = [("origin", "http://localhost:5173"), ("sec-fetch-mode", "cors")];
    let stranger = [("origin", "http://localhost:8080"), ("sec-fetch-mode", "cors")];
    let session = "/socket.io/?EIO=4&transport=polling";
    for (expected, path, site, headers) in [
        (StatusCode::OK, "/", "cross-site", link),
        (StatusCode::OK, "/", "same-site", link),
        (StatusCode::FORBIDDEN, "/", "cross-site", frame),
        (StatusCode::FORBIDDEN, "/", "cross-site", image),
        (StatusCode::FORBIDDEN, "/api/v1/host", "cross-site", link),
        (StatusCode::FORBIDDEN, "/healthz", "cross-site", link),
        (StatusCode::FORBIDDEN, session, "cross-site", link),
        (StatusCode::FORBIDDEN, session, "cross-site", image),
        (StatusCode::FORBIDDEN, session, "same-site", image),
        (StatusCode::FORBIDDEN, session, "same-site", stranger),
        (StatusCode::OK, session, "same-site", configured),
        (StatusCode::OK, "/api/v1/host", "same-site", configured),
        (StatusCode::OK, "/api/v1/host", "same-origin", own),
        (StatusCode::OK, "/api/v1/host", "same-origin", image),
        (StatusCode::OK, "/api/v1/host", "none", link),
    ] {
        let mut asked = request(path).header("sec-fetch-site", site);
        for (name, value) in headers {
            asked = asked.header(name, value);
        }
        let (status, _, body) = ask(asked.body(Body::empty()).unwrap()).await;
        assert_eq!(status, expected, "{path} {site} {headers:?}: {}", String::from_utf8_lossy(&body));
    }
    let posted = request("/").method(Method::POST).header("sec-fetch-site", "cross-site");
    assert_eq!(ask(posted.body(Body::empty()).unwrap()).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_page_has_security_and_cache_headers() {
    let (status, headers, body) = ask(request("/").body(Body::empty()).unwrap()).await;
    assert_eq!((status, headers[header::CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, "text/html"));
    assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'self'"));
    assert!(String::from_utf8(body).unwrap().contains("memtap"));
    let tag = headers[header::ETAG].clone();
    let again = request("/").header(header::IF_NONE_MATCH, tag).body(Body::empty()).unwrap();
    assert_eq!(ask(again).await.0, StatusCode::NOT_MODIFIED);
    assert_eq!(get("/api/v1/nothing").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get("/../Cargo.toml").await.0, StatusCode::NOT_FOUND);
    let (status, _, text) = ask(request("/healthz").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "this view is no live one");
    assert!(String::from_utf8(text).unwrap().contains("log"));
}

#[tokio::test]
async fn scripts_and_styles_are_compressed_and_cached_as_immutable() {
    let (_, headers, body) = ask(request("/").body(Body::empty()).unwrap()).await;
    assert_eq!(headers[header::CACHE_CONTROL], "no-cache", "it names the others");
    let index = String::from_utf8(body).unwrap();
    let files: Vec<&str> = index.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert!(files.len() >= 2, "{index}");
    for file in files {
        let packed = request(file).header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
        let (status, headers, _) = ask(packed).await;
        let cached =
            [header::CACHE_CONTROL, header::CONTENT_ENCODING].map(|name| headers[name].to_str().unwrap());
        assert_eq!(
            (status, cached),
            (StatusCode::OK, ["public, max-age=31536000, immutable", "gzip"]),
            "{file}"
        );
    }
    let (status, headers, _) = ask(request("/assets/none.js").body(Body::empty()).unwrap()).await;
    assert_eq!((status, headers.get(header::CACHE_CONTROL)), (StatusCode::NOT_FOUND, None), "{headers:?}");
}

#[tokio::test]
async fn every_described_path_answers_as_described() {
    let (status, document) = get("/api/v1/openapi.json").await;
    assert_eq!((status, &document["openapi"]), (StatusCode::OK, &"3.1.0".into()));
    for (path, item) in document["paths"].as_object().unwrap() {
        let (status, _, _) = ask(request(&path.replace("{pid}", "7")).body(Body::empty()).unwrap()).await;
        assert!(item["get"]["responses"].get(status.as_str()).is_some(), "{path} answers {status}");
    }
    let text = serde_json::to_string(&document).unwrap();
    for (_, name) in
        text.match_indices("#/components/schemas/").map(|(at, prefix)| text[at..].split_at(prefix.len()))
    {
        let name = name.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name} is referred to and not there");
    }
}

#[tokio::test]
async fn usage_needs_a_valid_range_and_a_history() {
    let (status, answer) = get("/api/v1/usage").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(answer["error"].as_str().unwrap().contains("--store none"), "{answer}");
    let (status, answer) = get("/api/v1/usage?colour=red").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["error"].as_str().unwrap().contains("start_time"), "{answer}");
}
