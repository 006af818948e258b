//! A report as one HTML file. It has no script and loads nothing; it works in light and dark mode,
//! on screens and on paper.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::outline::{Block, Cell, FindingBlock, Outline, Piece, Section, Table, Tile, outline, pieces};
use super::{Audience, Report};

const STYLE: &str = include_str!("style.css");
/// Content security policy: a browser may apply the file's own style and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

pub(super) fn render(report: &Report, audience: &Audience) -> String {
    page(&outline(report, audience), audience, &report.memtap)
}

/// Renders an outline as one file. `memtap` is the version that made it.
pub(super) fn page(outline: &Outline, audience: &Audience, memtap: &str) -> String {
    let lang = audience.lang;
    html! {
        (DOCTYPE)
        html lang=(lang.code()) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(format!("memtap {memtap}"));
                meta name="referrer" content="no-referrer";
                title { (outline.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(outline))
                (contents(outline, lang.pick("Contents", "Contenido")))
                main {
                    @for section in &outline.sections { (whole_section(section, audience)) }
                }
                footer { p { (outline.made) } }
            }
        }
    }
    .into_string()
}

fn head(outline: &Outline) -> Markup {
    html! {
        header {
            h1 { (outline.title) }
            dl.facts {
                @for (label, value) in &outline.facts { div { dt { (label) } dd { (value) } } }
            }
        }
    }
}

fn contents(outline: &Outline, label: &str) -> Markup {
    html! {
        nav aria-label=(label) {
            ul {
                @for section in &outline.sections {
                    li { a href=(format!("#{}", section.id)) { (section.title) } }
                }
            }
        }
    }
}

fn whole_section(section: &Section, audience: &Audience) -> Markup {
    let heading = format!("{}-heading", section.id);
    html! {
        section id=(section.id) aria-labelledby=(heading) {
            h2 id=(heading) { (section.title) }
            @for (index, block) in section.blocks.iter().enumerate() {
                (whole_block(block, &format!("{}-{index}", section.id), audience))
            }
        }
    }
}

fn whole_block(block: &Block, id: &str, audience: &Audience) -> Markup {
    match block {
        Block::Say(text) => html! { p { (text) } },
        Block::Warn(text) => html! { p.warn role="note" { (text) } },
        Block::Tiles(tiles) => html! { dl.tiles { @for tile in tiles { (one_tile(tile, audience)) } } },
        Block::Findings(findings) => html! {
            ul.findings { @for finding in findings { (one_finding(finding)) } }
        },
        Block::Chart(chart) => chart.draw(id, audience),
        Block::Table(table) => html! { div.tables.wide { (one_table(table, audience)) } },
        Block::Tables(tables) => html! {
            div.tables.broad[tables.iter().any(Table::is_broad)] { @for table in tables { (one_table(table, audience)) } }
        },
    }
}

fn one_tile(tile: &Tile, audience: &Audience) -> Markup {
    html! {
        div {
            dt { (tile.label) }
            dd { (tile.cell.text(audience)) }
            @if let Some(compared) = tile.compared_text(audience) { dd.before { (compared) } }
        }
    }
}

fn one_finding(finding: &FindingBlock) -> Markup {
    html! {
        li class=(finding.severity.name()) {
            p.sentence { b.severity { (finding.severity_word) } " " (typed(&finding.sentence)) }
            @if !finding.evidence.is_empty() {
                dl.evidence {
                    @for (label, value) in &finding.evidence { div { dt { (label) } dd { (value) } } }
                }
            }
            p.advice { (typed(&finding.advice)) }
        }
    }
}

/// Renders text in backticks as code.
fn typed(text: &str) -> Markup {
    html! {
        @for piece in pieces(text) {
            @match piece {
                Piece::Typed(typed) => code { (typed) },
                Piece::Plain(plain) => (plain),
            }
        }
    }
}

fn one_table(table: &Table, audience: &Audience) -> Markup {
    html! {
        div.table {
            table {
                caption { (table.caption) }
                thead {
                    tr {
                        @for column in &table.columns {
                            th.number[column.1] scope="col" { (column.0) }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (index, (cell, column)) in row.iter().zip(&table.columns).enumerate() {
                                @if index == 0 {
                                    th.number[column.1] scope="row" { (one_cell(cell, audience)) }
                                } @else {
                                    td.number[column.1] { (one_cell(cell, audience)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn one_cell(cell: &Cell, audience: &Audience) -> Markup {
    let text = cell.text(audience);
    match cell {
        // An untrusted name may be written from right to left.
        Cell::Name(_) => html! { bdi { (text) } },
        Cell::Code(_) => html! { code { (text) } },
        Cell::Time(_) => html! { span.time { (text) } },
        Cell::Share(part) => html! {
            span.bar role="img" aria-label=(text) {
                span style=(format!("width:{:.1}%", part.clamp(0.0, 1.0) * 100.0)) {}
            }
        },
        _ => html! { (text) },
    }
}

#[cfg(test)]
mod tests {
    use scraper::{Html, Selector};

    use super::super::scene::{HOSTILE, report};
    use super::*;
    use crate::Lang;

    fn rendered(lang: Lang) -> String {
        render(&report(), &Audience { lang, zone: jiff::tz::TimeZone::UTC })
    }

    fn all<'a>(page: &'a Html, selector: &str) -> Vec<scraper::ElementRef<'a>> {
        page.select(&Selector::parse(selector).unwrap()).collect()
    }

    #[test]
    fn html_is_well_formed_and_loads_nothing() {
        for lang in Lang::ALL {
            let text = rendered(lang);
            let page = Html::parse_document(&text);
            assert!(page.errors.is_empty(), "{:?}", page.errors);
            assert_eq!(all(&page, "html")[0].attr("lang"), Some(lang.code()));
            for outside in ["script", "link", "img", "iframe", "object", "embed", "form", "base", "[src]"] {
                assert!(all(&page, outside).is_empty(), "{outside}");
            }
            assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
            assert!(!text.contains("http://") && !text.contains("https://"), "no reference elsewhere");
            let handlers = page.tree.values().filter_map(|node| node.as_element());
            let handlers =
                handlers.flat_map(|element| element.attrs()).filter(|(name, _)| name.starts_with("on"));
            assert_eq!(handlers.count(), 0, "no name became an attribute");
        }
    }

    #[test]
    fn links_point_to_existing_anchors() {
        let page = Html::parse_document(&rendered(Lang::En));
        let links = all(&page, "a");
        assert!(links.len() >= 10);
        for link in links {
            let target = link.attr("href").unwrap();
            assert!(target.starts_with('#') && all(&page, target).len() == 1, "{target}");
        }
    }

    #[test]
    fn untrusted_names_are_shown_as_text() {
        let page = Html::parse_document(&rendered(Lang::Es));
        let names: Vec<String> = all(&page, "bdi").iter().map(|name| name.text().collect()).collect();
        for name in HOSTILE {
            let shown = memtap_model::visible(name);
            assert!(names.contains(&shown), "{shown}");
            assert!(!shown.contains(['\n', '\x1b', '\u{202e}']));
        }
    }

    #[test]
    fn tables_and_charts_are_accessible() {
        let page = Html::parse_document(&rendered(Lang::En));
        let tables = all(&page, "table");
        assert!(tables.len() >= 12, "{}", tables.len());
        let caption = Selector::parse("caption").unwrap();
        assert!(tables.iter().all(|table| table.select(&caption).count() == 1));
        assert!(all(&page, "th").iter().all(|heading| matches!(heading.attr("scope"), Some("col" | "row"))));
        let charts = all(&page, "svg");
        assert_eq!(charts.len(), 3);
        for chart in charts {
            let ids: Vec<&str> = chart.attr("aria-labelledby").unwrap().split(' ').collect();
            assert_eq!(ids.len(), 2);
            for id in ids {
                assert!(!all(&page, &format!("[id='{id}']"))[0].text().collect::<String>().is_empty());
            }
        }
        let ids: Vec<_> = all(&page, "[id]").iter().filter_map(|element| element.attr("id")).collect();
        assert_eq!(ids.len(), ids.iter().collect::<std::collections::HashSet<_>>().len(), "ids are unique");
    }

    #[test]
    fn losses_are_shown_with_their_share() {
        let text = rendered(Lang::En);
        assert!(text.contains("The records of 10 requests (1.00 %) were lost"));
        assert!(text.contains("The history begins at 2026-11-24 12:01:00"));
        assert!(rendered(Lang::Es).contains("Los registros de 10 solicitudes (1,00 %) se perdieron"));
    }
}
