//! Gaps in the figures, and their reasons.

use super::super::when;
use super::words::not_visible;
use super::{Block, Page};
use crate::Lang;

/// Lists all gaps in the figures. If it is known that there are none, it says so.
pub(super) fn missing(page: &Page<'_>) -> Vec<Block> {
    let missing = &page.report.missing;
    let mut blocks = Vec::new();
    let mut warn = |english: String, spanish: String| blocks.push(Block::Warn(page.say(english, spanish)));
    if let Some((english, spanish)) = damage(page) {
        warn(english, spanish);
    }
    if let Some((english, spanish)) = lost(page) {
        warn(english, spanish);
    }
    if let Some((english, spanish)) = not_seen(page) {
        warn(english, spanish);
    }
    if let Some(at) = missing.before {
        let at = when::second(at, page.audience);
        warn(
            format!("The history begins at {at}. There is no data before that time."),
            format!("El historial empieza el {at}. No hay datos anteriores."),
        );
    }
    if let Some(at) = missing.after {
        let at = when::second(at, page.audience);
        warn(
            format!("The history ends at {at}. There is no data after that time."),
            format!("El historial termina el {at}. No hay datos posteriores."),
        );
    }
    if missing.processes > 0 {
        let more = page.count(missing.processes);
        warn(
            format!(
                "{more} processes with few requests were not read one by one. They may be missing from the short-lived processes and from the changes by program."
            ),
            format!(
                "{more} procesos con pocas solicitudes no se leyeron uno por uno. Pueden faltar entre los procesos breves y en los cambios por programa."
            ),
        );
    }
    if let Some(at) = missing.requests_since {
        let at = when::second(at, page.audience);
        warn(
            format!(
                "Requests by call are counted from {at} on, because the range has too many to count them all."
            ),
            format!(
                "Las solicitudes por llamada se cuentan desde el {at}, porque el intervalo tiene demasiadas para contarlas todas."
            ),
        );
    }
    if blocks.is_empty() && page.report.memory.is_some() && page.report.totals.requests_visible {
        blocks.push(Block::Say(
            page.say(
                "No record was lost between the kernel and memtap in this range. The Health view shows whether the store dropped any data.",
                "En este intervalo no se perdió ningún registro entre el núcleo y memtap. La vista Estado muestra si el almacén descartó datos.",
            )
            .to_owned(),
        ));
    }
    blocks
}

/// Damage of the recording file, which is not a loss in the kernel or in memtap.
fn damage(page: &Page<'_>) -> Option<(String, String)> {
    let requests = page.report.missing.damaged_recording?;
    let count = page.count(requests);
    let (english, spanish) = match requests {
        0 => ("It cannot be read in full.".to_owned(), "No se puede leer entera.".to_owned()),
        1 => (
            "1 request in its damaged parts cannot be read.".to_owned(),
            "No se puede leer 1 solicitud de sus partes dañadas.".to_owned(),
        ),
        _ => (
            format!("{count} requests in its damaged parts cannot be read."),
            format!("No se pueden leer {count} solicitudes de sus partes dañadas."),
        ),
    };
    Some((
        format!("The recording is damaged. {english} No figure includes what happened there."),
        format!("La grabación está dañada. {spanish} Ninguna cifra incluye lo que ocurrió ahí."),
    ))
}

fn lost(page: &Page<'_>) -> Option<(String, String)> {
    let (missing, report) = (&page.report.missing, page.report);
    let lost = missing.lost.saturating_sub(missing.damaged_recording.unwrap_or(0));
    if lost == 0 {
        return None;
    }
    let part = lost as f64 * 100.0 / report.totals.requests.max(lost) as f64;
    let (lost, part) = (page.count(lost), crate::decimal(part, 2, page.lang));
    // An imported history does not record the reason: a damaged recording, or lines missing from a
    // script.
    Some((
        format!(
            "The records of {lost} requests ({part} %) were lost before memtap could store them. The totals (requests, bytes, refusals, process sizes) \
             are kept in the kernel and include them. The lists of requests, frequent sizes and reasons for refusals may be incomplete."
        ),
        format!(
            "Los registros de {lost} solicitudes ({part} %) se perdieron antes de que memtap pudiera guardarlos. Los totales (solicitudes, bytes, rechazos, \
             tamaños de procesos) se llevan en el núcleo y las incluyen. Las listas de solicitudes, de tamaños frecuentes y de motivos de rechazo pueden estar incompletas."
        ),
    ))
}

/// Number of periods to list.
const TIMES: usize = 3;

fn not_seen(page: &Page<'_>) -> Option<(String, String)> {
    let gaps = &page.report.missing.requests_not_visible;
    let others = (
        "Memory sizes come from samples, so processes that existed only between two samples are missing.",
        "Los tamaños de memoria proceden de muestras, así que faltan los procesos que solo existieron entre dos muestras.",
    );
    if !page.report.totals.requests_visible {
        return Some((
            format!(
                "Requests, refusals, lost records and OOM kills are {}. {}",
                not_visible(Lang::En),
                others.0
            ),
            format!(
                "Las solicitudes, los rechazos, los registros perdidos y las muertes por OOM {}. {}",
                "no son visibles (fuente: procfs)", others.1
            ),
        ));
    }
    if gaps.is_empty() {
        return None;
    }
    let times = gaps.iter().take(TIMES).map(|gap| {
        let span = when::span(gap.span, page.audience);
        if page.several_hosts { format!("{}: {span}", memtap_model::visible(&gap.host)) } else { span }
    });
    let mut times = times.collect::<Vec<_>>().join(", ");
    if gaps.len() > TIMES {
        times.push_str(", ...");
    }
    Some((
        format!(
            "In part of the range, requests and OOM kills were {} ({times}). {}",
            not_visible(Lang::En),
            others.0
        ),
        format!(
            "En parte del intervalo, las solicitudes y las muertes por OOM {} ({times}). {}",
            "no son visibles (fuente: procfs)", others.1
        ),
    ))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::super::{Format, NotVisible, Report, Span, Totals, render, scene};
    use super::*;
    use crate::report::Audience;

    fn written(report: &Report, format: Format, lang: Lang) -> String {
        render(report, format, &Audience { lang, zone: TimeZone::UTC })
    }

    /// A report with the figures of a range without requests, as the history returns them.
    fn quiet(totals: Totals) -> Report {
        let mut report = scene::report();
        report.totals = Totals { requests: 0, refused: 0, lost: 0, ..totals };
        report.missing.lost = 0;
        report.compared = None;
        (report.refusals, report.oom_kills) = (Vec::new(), Vec::new());
        report
    }

    #[test]
    fn invisible_requests_are_not_shown_as_zero() {
        let mut report = quiet(Totals { requests_visible: false, ..scene::report().totals });
        let span = Span { from: scene::at(0), to: scene::at(3600) };
        report.missing.requests_not_visible = vec![NotVisible { host: "box".to_owned(), span }];
        for format in [Format::Html, Format::Markdown, Format::Text, Format::Csv] {
            let text = written(&report, format, Lang::En);
            assert!(text.matches("not visible (source: procfs)").count() >= 4, "{format}: {text}");
            assert!(!text.contains("No record was lost") && !text.contains("no refused requests"), "{text}");
            assert!(!text.contains("Requests made: 0"), "{text}");
        }
        for format in [Format::Html, Format::Markdown, Format::Text] {
            let text = written(&report, format, Lang::Es);
            assert!(text.matches("visibles (fuente: procfs)").count() >= 4, "{format}: {text}");
        }
        let csv = written(&report, Format::Csv, Lang::Es);
        for measure in ["requests", "refused", "oom_kills", "lost"] {
            let line = format!("summary,,,,,,,{measure},not visible (source: procfs),text\n");
            assert!(csv.contains(&line), "{csv}");
        }
        let json: serde_json::Value =
            serde_json::from_str(&written(&report, Format::Json, Lang::En)).unwrap();
        assert_eq!(
            (&json["totals"]["requests_visible"], &json["totals"]["requests"]),
            (&false.into(), &0.into())
        );
        assert_eq!(json["missing"]["requests_not_visible"][0]["from"], "2026-11-24T12:00:00.000Z");
    }

    #[test]
    fn a_gap_without_visible_requests_is_shown_with_its_time() {
        let mut report = scene::report();
        let span = Span { from: scene::at(600), to: scene::at(1200) };
        report.missing.requests_not_visible = vec![NotVisible { host: "box".to_owned(), span }];
        let text = written(&report, Format::Html, Lang::En);
        assert!(text.contains("not visible (source: procfs) (2026-11-24 12:10 – 12:20)"), "{text}");
        assert!(!written(&report, Format::Csv, Lang::En).contains("requests,not visible"));
    }

    #[test]
    fn a_filter_without_matches_is_reported() {
        let mut report = quiet(Totals { processes: 0, ..scene::report().totals });
        report.asked.name = Some("nosuch".to_owned());
        assert!(report.matches_nothing());
        for (lang, sentence) in [
            (Lang::En, "No process matches nosuch in this range."),
            (Lang::Es, "Ningún proceso coincide con nosuch en este intervalo."),
        ] {
            for format in [Format::Html, Format::Markdown, Format::Text] {
                let text = written(&report, format, lang);
                assert!(text.contains(sentence) && !text.contains("has no data"), "{format}: {text}");
            }
        }
        report.totals.has_data = false;
        assert!(!report.matches_nothing());
        let text = written(&report, Format::Text, Lang::En);
        assert!(text.contains("The history has no data in this range."), "{text}");
    }

    #[test]
    fn a_compared_range_without_data_shows_no_zeros() {
        let mut report = scene::report();
        report.compared = Some(Totals::default());
        for format in [Format::Html, Format::Markdown, Format::Text] {
            let text = written(&report, format, Lang::En);
            assert!(text.contains("The history has no data in the compared range"), "{format}: {text}");
            assert!(!text.contains("against") && !text.contains("vs. other range"), "{format}: {text}");
        }
        let csv = written(&report, Format::Csv, Lang::En);
        assert!(csv.contains("compared,,,,,,,has_data,no data in this range,text\n"), "{csv}");
        assert!(!csv.contains("compared,,,,,,,requests"), "{csv}");
        let json: serde_json::Value =
            serde_json::from_str(&written(&report, Format::Json, Lang::En)).unwrap();
        assert_eq!(json["compared"]["has_data"], false);
    }

    #[test]
    fn damage_of_a_recording_is_reported_as_such() {
        let mut report = scene::report();
        (report.missing.lost, report.missing.damaged_recording) = (25, Some(25));
        let text = written(&report, Format::Markdown, Lang::En);
        assert!(
            text.contains("The recording is damaged. 25 requests in its damaged parts cannot be read."),
            "{text}"
        );
        assert!(!text.contains("were lost before"), "{text}");
        report.missing.lost = 35;
        let text = written(&report, Format::Markdown, Lang::Es);
        assert!(
            text.contains("La grabación está dañada") && text.contains("Los registros de 10 solicitudes"),
            "{text}"
        );
        assert!(
            written(&report, Format::Csv, Lang::En).contains("missing,,,,,,,damaged_recording,25,count\n")
        );
    }
}
