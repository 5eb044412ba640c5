//! The manifests for Kubernetes, Istio and Linkerd, and the pod that they describe.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use plivo_sim::PlivoSim;
use serde_json::{Value, json};

use super::kubelet::{Files, Mount, object, projected};
use super::{apps_send, at_home, of_meshes, plivo, schemas, started, write_secrets};
use crate::examples::install::{self, source};
use crate::examples::program::Program;
use crate::harness::{Folder, Redis, Sidecar, TO, module};
use crate::reload::{applied, refusal};

/// The oldest release that has sidecars of its own unless told otherwise, and the newest that there are schemas of.
const RELEASES: [&str; 2] = ["1.29", "1.37"];
const POLICIES: [&str; 4] = ["validation", "country", "dedup", "throttle"];

/// The examples, with the modules where their page tells to put them.
fn examples() -> Folder {
    let folder = Folder::new();
    for name in ["kubernetes", "istio", "linkerd"] {
        let copied = std::process::Command::new("cp")
            .args(["-r"])
            .arg(install::path(&format!("examples/{name}")))
            .arg(folder.path())
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "examples/{name} is not copied");
    }
    let modules = folder.path().join("kubernetes/base/policies");
    fs::create_dir_all(&modules).expect("a folder");
    for name in POLICIES {
        fs::copy(module(name), modules.join(format!("{name}.wasm"))).expect("a module");
    }
    folder
}

/// The objects of a kustomization, which every schema of theirs takes as they are.
async fn built(examples: &Folder, kustomization: &str) -> Vec<Value> {
    let kubectl = Program::new("kubectl", "kubectl 1.21 or newer (Debian: kubernetes-client)");
    let folder = examples.path().join(kustomization).display().to_string();
    let text = kubectl.args(&["kustomize", &folder]).run().await;
    valid(&examples.write("built.yaml", text)).await
}

async fn valid(manifests: &Path) -> Vec<Value> {
    let schemas = schemas().await.args(&["kubernetes", &manifests.display().to_string()]);
    serde_json::from_str(&schemas.args(&RELEASES).run().await).expect("JSON")
}

/// The pod of the app, and Sendgate's container in it.
fn pod(objects: &[Value]) -> (&Value, &Value) {
    let pod = &object(objects, "StatefulSet", "orders")["spec"]["template"]["spec"];
    (pod, &pod["initContainers"][0])
}

fn volume<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let volumes = pod["volumes"].as_array().expect("volumes");
    volumes.iter().find(|volume| volume["name"] == name).expect("a volume")
}

#[tokio::test]
async fn every_manifest_fits_its_schema_and_names_only_what_is_there() {
    let examples = examples();
    let secrets = valid(&examples.path().join("kubernetes/secret.yaml")).await;
    let keys = |name: &str| -> BTreeSet<String> {
        let keys = object(&secrets, "Secret", name)["stringData"].as_object().expect("keys");
        keys.keys().cloned().collect()
    };
    assert_eq!(keys("redis"), BTreeSet::from(["redis.conf".to_owned()]));
    let toml = source("examples/kubernetes/base/sidecar.toml");
    for key in keys("sendgate") {
        assert!(toml.contains(&format!("\"/run/secrets/sendgate/{key}\"")), "{key} is not used");
    }

    for (overlay, base, component) in [
        ("kubernetes/with-callbacks", "../base", "../callbacks"),
        ("istio-callbacks", "../istio", "../istio/callbacks"),
        ("linkerd-callbacks", "../linkerd", "../linkerd/callbacks"),
    ] {
        let overlay = examples.path().join(overlay);
        let text = format!("resources: [{base}]\ncomponents: [{component}]\n");
        fs::create_dir(&overlay).expect("a folder");
        fs::write(overlay.join("kustomization.yaml"), text).expect("a file");
    }

    let istio = [("ServiceEntry", "plivo"), ("Sidecar", "orders"), ("Telemetry", "orders")];
    let linkerd = [("EgressNetwork", "outside"), ("TLSRoute", "plivo")];
    let mut of_both = Vec::new();
    for (kustomization, own) in [
        ("kubernetes/base", &[][..]),
        ("kubernetes/overlays/production", &[("PodDisruptionBudget", "orders")]),
        ("kubernetes/with-callbacks", &[("Ingress", "orders-callbacks")]),
        ("istio", &istio),
        ("istio-callbacks", &[("Ingress", "orders-callbacks")]),
        ("linkerd", &linkerd),
        ("linkerd-callbacks", &[("Ingress", "orders-callbacks")]),
    ] {
        let objects = built(&examples, kustomization).await;
        for (kind, name) in own {
            object(&objects, kind, name);
        }
        a_pod_that_works(&objects, &toml);
        tells_the_collector_which_pod_it_is(&objects);
        is_all_in_one_namespace(&objects);
        if kustomization.ends_with("-callbacks") {
            is_found_by_plivo(&objects);
        }
        if kustomization == "istio-callbacks" {
            takes_plain_text_for_callbacks_alone(&objects);
        }
        if ["istio-callbacks", "linkerd"].contains(&kustomization) {
            of_both.extend(objects);
        }
    }
    fits_its_mesh(&examples, of_both).await;
    let egress = source("examples/istio/egress.yaml") + &source("examples/linkerd/egress.yaml");
    assert!(toml.contains("\"https://api.plivo.com\""));
    assert_eq!(egress.matches("[api.plivo.com]").count(), 2, "both meshes let out to Plivo alone");
}

/// Holds the meshes' own objects to what is known of their kinds, and has a spoiled one of each kind refused, or nobody
/// would see that nobody looked.
async fn fits_its_mesh(examples: &Folder, objects: Vec<Value>) {
    let is_own = |object: &Value| {
        let version = object["apiVersion"].as_str().expect("a version");
        ["istio.io/", "linkerd.io/", "gateway."].iter().any(|group| version.contains(group))
    };
    let own: Vec<Value> = objects.into_iter().filter(is_own).collect();
    let wrong = own.iter().cloned().map(|mut object| {
        object["metadata"]["name"] = "wrong".into();
        object["spec"]["unheardOf"] = true.into();
        if object["kind"] == "TLSRoute" {
            object["spec"]["parentRefs"][0]["port"] = 65_536.into();
        }
        object
    });
    let both: Value = own.iter().cloned().chain(wrong).collect();
    let file = examples.write("meshes.json", both.to_string());
    let said = of_meshes().await.arg(&file.display().to_string()).run().await;
    let faults: Vec<String> = serde_json::from_str(&said).expect("JSON");
    let (of_wrong, of_examples): (Vec<_>, Vec<_>) =
        faults.iter().partition(|fault| fault.contains(" wrong: "));
    assert_eq!(of_examples, [""; 0]);
    let is_told = |begin: &str, what: &str| {
        of_wrong.iter().any(|fault| fault.starts_with(begin) && fault.contains(what))
    };
    assert!(is_told("TLSRoute", "<= 65535"), "{faults:#?}");
    for object in &own {
        let kind = object["kind"].as_str().expect("a kind");
        assert!(is_told(kind, "unheardOf"), "{kind} is not looked at: {faults:#?}");
    }
}

/// What no schema knows: that parts which name each other fit.
fn a_pod_that_works(objects: &[Value], toml: &str) {
    let (pod, sendgate) = pod(objects);
    assert_eq!(sendgate["restartPolicy"], "Always", "it is a sidecar of Kubernetes' own");
    let files = projected(volume(pod, "config"), objects);
    assert_eq!(files["sidecar.toml"], toml.as_bytes());

    let listens = |port: &str| toml.contains(&format!(":{port}\""));
    let ports = sendgate["ports"].as_array().expect("ports");
    for port in ports {
        assert!(listens(&port["containerPort"].to_string()), "{port} is no listener's");
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(sendgate[probe]["httpGet"]["port"], ports[0]["name"], "{probe}");
    }
    let grace = pod["terminationGracePeriodSeconds"].as_u64().expect("a number");
    let drain = toml.lines().find_map(|line| line.strip_prefix("drain_s = ")).expect("a drain");
    assert!(grace >= 30 + drain.parse::<u64>().expect("a number") + 5, "{grace} s for both ends");

    let mounts = sendgate["volumeMounts"].as_array().expect("mounts");
    assert!(mounts.iter().all(|mount| mount["subPath"].is_null()), "such a mount never changes");
    let claims = &object(objects, "StatefulSet", "orders")["spec"]["volumeClaimTemplates"];
    assert_eq!(claims[0]["metadata"]["name"], mounts[2]["name"], "the spool outlives the pod");
    let config = object(objects, "ConfigMap", "sendgate");
    assert!(config["immutable"].is_null(), "it changes while the pod runs");
}

/// Whatever namespace its reader's kubectl is set to.
fn is_all_in_one_namespace(objects: &[Value]) {
    for object in objects.iter().filter(|object| object["kind"] != "Namespace") {
        assert_eq!(object["metadata"]["namespace"], "orders", "{object}");
    }
}

/// By the number of the port: before 1.32 no Service finds the named port of a native sidecar.
fn is_found_by_plivo(objects: &[Value]) {
    let service = &object(objects, "Service", "orders-callbacks")["spec"]["ports"][0];
    let ports = pod(objects).1["ports"].as_array().expect("ports");
    assert!(ports.iter().any(|port| port["containerPort"] == service["targetPort"]), "{service}");
}

/// Where all else in the namespace is by mutual TLS.
fn takes_plain_text_for_callbacks_alone(objects: &[Value]) {
    let all = &object(objects, "PeerAuthentication", "default")["spec"];
    assert_eq!(all, &json!({"mtls": {"mode": "STRICT"}}));
    let own = &object(objects, "PeerAuthentication", "orders-callbacks")["spec"];
    let template = &object(objects, "StatefulSet", "orders")["spec"]["template"]["metadata"];
    let selected = own["selector"]["matchLabels"].as_object().expect("labels");
    for (label, value) in selected {
        assert_eq!(&template["labels"][label], value, "the pods are meant");
    }
    assert_eq!(own["mtls"]["mode"], "STRICT");
    let ports = pod(objects).1["ports"].as_array().expect("ports");
    let callbacks = ports.iter().find(|port| port["name"] == "callbacks").expect("their port");
    let port = callbacks["containerPort"].to_string();
    assert_eq!(own["portLevelMtls"], json!({port: {"mode": "PERMISSIVE"}}));
}

/// Where there is a collector. Kubernetes puts in only what stands above.
fn tells_the_collector_which_pod_it_is(objects: &[Value]) {
    let variables = pod(objects).1["env"].as_array().expect("variables");
    let at = |name: &str| variables.iter().position(|variable| variable["name"] == name);
    if at("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
        let attributes = at("OTEL_RESOURCE_ATTRIBUTES").expect("attributes of the resource");
        let value = variables[attributes]["value"].as_str().expect("a text");
        for (name, key) in [("POD_NAME", "k8s.pod.name"), ("POD_NAMESPACE", "k8s.namespace.name")] {
            assert!(value.contains(&format!("{key}=$({name})")), "{value}");
            assert!(at(name).is_some_and(|at| at < attributes), "{name} is not known yet");
        }
    }
}

/// The sidecar of the pod, with the pod's volumes in its folder.
async fn in_its_pod(plivo: &PlivoSim, redis: &Redis) -> (Sidecar, Mount, Files) {
    let (examples, folder) = (examples(), Folder::new());
    let objects = built(&examples, "kubernetes/base").await;
    let mut files = projected(volume(pod(&objects).0, "config"), &objects);
    let (secrets, spool) = (folder.path().join("secrets"), folder.path().join("spool"));
    fs::create_dir(&spool).expect("a folder");
    let keys = valid(&examples.path().join("kubernetes/secret.yaml")).await;
    let keys = object(&keys, "Secret", "sendgate")["stringData"].clone();
    let keys = keys.as_object().expect("keys");
    write_secrets(&secrets, keys.keys().map(String::as_str), &redis.url());

    let toml = String::from_utf8(files["sidecar.toml"].clone()).expect("text");
    let places =
        [("/run/secrets/sendgate", secrets.as_path()), ("/var/lib/sendgate", spool.as_path())];
    let toml = at_home(&toml, plivo, "0.0.0.0:8788", &places);
    files.insert("sidecar.toml".to_owned(), toml.clone().into_bytes());
    let mount = Mount::new(folder.path(), &files);
    let sidecar = started(folder, &toml).await;
    // The harness has written a file in the link's place.
    mount.link(&files);
    (sidecar, mount, files)
}

#[tokio::test]
async fn in_its_pod_apps_send_unchanged_and_a_changed_config_map_comes_into_force() {
    let (plivo, redis) = (plivo().await, Redis::start());
    let (sidecar, mut mount, mut files) = in_its_pod(&plivo, &redis).await;
    apps_send(&sidecar, &plivo).await;
    let explain = async |to: &str| {
        let message = json!({"to": to, "text": "Hello"});
        let asked = sidecar.post("/v1/explain").bearer(super::TOKEN).json(&message);
        asked.answer().await.expect(200)["verdict"].clone()
    };
    assert_eq!(explain("+447400123456").await, "accept");

    // A setting, and a module that another took the place of, in a folder of the volume.
    let toml = String::from_utf8(files["sidecar.toml"].clone()).expect("text");
    let denied = toml.replace(r#"{ allow = ["*"],"#, r#"{ allow = ["*"], deny = ["GB"],"#);
    assert_ne!(toml, denied);
    let marked = crate::reload::marked("validation", 1);
    files.insert("sidecar.toml".to_owned(), denied.clone().into_bytes());
    files.insert("policies/validation.wasm".to_owned(), marked.clone());
    mount.write(&files);
    mount.swap();
    let second = applied(&sidecar, 1).await;
    let listed = sidecar.admin("/policies").await.expect(200);
    assert_eq!(listed["policies"][0]["digest"], crate::reload::digest(&marked), "{listed}");
    assert_eq!(explain("+447400123456").await, "reject");

    // One module more, at the volume's top. By its release the kubelet makes the link to what is new before the swap,
    // where nobody asks for it yet, or after it, where the configuration is there before its module.
    let words = "[[policies]]\nname = \"words\"\nmodule = \"words.wasm\"\ngrants = [\"log\"]\n\
                 settings = { words = [\"lottery\"] }\n";
    files.insert("sidecar.toml".to_owned(), format!("{denied}\n{words}").into_bytes());
    files.insert("words.wasm".to_owned(), crate::reload::bytes_of("words"));
    mount.write(&files);
    mount.swap();
    refusal(&sidecar, "words.wasm").await;
    assert_eq!(explain(TO).await, "accept", "the generation before serves");
    mount.link(&files);
    applied(&sidecar, second).await;
    let listed = sidecar.admin("/policies").await.expect(200);
    assert_eq!(listed["policies"][4]["name"], "words", "{listed}");
    sidecar.stop().await;
}
