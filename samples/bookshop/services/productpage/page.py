"""The page as HTML. No template engine, no script, no file from elsewhere."""

from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --soft: #667085; --paper: #f6f4ef; --card: #fff; --line: #e4dfd4;
  --accent: #7a4dd8; --good: #1a8f5a; --bad: #c8372d; }
@media (prefers-color-scheme: dark) { :root { --ink: #ece9f4; --soft: #a09bb0; --paper: #15131c; --card: #1e1b28;
  --line: #322d42; --accent: #a98bf0; --good: #4cc38a; --bad: #ff7a6e; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 860px; margin: 0 auto; padding: 48px 20px }
h1 { font: 600 2.4rem/1.15 Georgia, serif; margin: 0 0 4px }
.by { color: var(--soft); margin: 0 0 28px }
.grid { display: grid; gap: 18px; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)) }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 20px 22px }
h2 { margin: 0 0 12px; font-size: .78rem; letter-spacing: .08em; text-transform: uppercase; color: var(--soft) }
blockquote { margin: 0; font: italic 1.1rem/1.5 Georgia, serif }
.stars { color: var(--accent); letter-spacing: 3px; margin-top: 10px; font-size: 1.2rem }
dl { display: grid; grid-template-columns: auto 1fr; gap: 6px 18px; margin: 0 }
dt { color: var(--soft) } dd { margin: 0 }
ul { list-style: none; margin: 0; padding: 0 }
li { display: flex; gap: 10px; align-items: baseline; padding: 5px 0 }
li b { font-weight: 600 } code { margin-left: auto; color: var(--accent); font: .85rem ui-monospace, monospace }
.dot { width: 9px; height: 9px; border-radius: 50%; background: var(--good); flex: none }
.bad { background: var(--bad) }
.problem { color: var(--bad) }
"""


def render(document):
    """Return the page for the collected document."""
    details, reviews = document["details"], document["reviews"]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(document["text"])} · Bookshop</title><style>{STYLE}</style></head>
<body><main>
<h1>{escape(document["text"])}</h1>
<p class="by">by {escape(str(details.get("author", "unknown")))}</p>
<div class="grid">
<section><h2>Reviews</h2>{_reviews(reviews)}</section>
<section><h2>Details</h2>{_details(details)}</section>
<section><h2>Who answered</h2><ul>{"".join(map(_row, document["answers"]))}</ul></section>
</div></main></body></html>
"""


def _reviews(reviews):
    if "error" in reviews:
        return f'<p class="problem">No reviews just now: {escape(str(reviews["error"]))}</p>'
    stars = int(reviews.get("ratings", {}).get("stars", 0))
    shown = f'<div class="stars" title="{stars} of 5">{"★" * stars}{"☆" * (5 - stars)}</div>' if stars else ""
    return f"<blockquote>{escape(str(reviews.get('text', '')))}</blockquote>{shown}"


def _details(details):
    if "error" in details:
        return f'<p class="problem">No details just now: {escape(str(details["error"]))}</p>'
    facts = ("author", "year", "pages", "publisher", "isbn", "rank")
    shown = "".join(f"<dt>{name}</dt><dd>{escape(str(details[name]))}</dd>" for name in facts if name in details)
    return f"<dl>{shown}</dl>"


def _row(row):
    dot = "dot" if row["ok"] else "dot bad"
    indent = row["depth"] * 18
    version = escape(str(row["version"]) or "no answer")
    return (
        f'<li style="padding-left:{indent}px"><span class="{dot}"></span>'
        f"<b>{escape(row['service'])}</b><code>{version}</code></li>"
    )
