"""`GET /`: the tables with their records, for a person looking."""

from collections.abc import Mapping

from flask import Blueprint, render_template_string

from local.airtable.schema import Field, FieldType
from local.airtable.served import Served

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Stand-in Airtable</title>
<style>
  body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #1d1f25; }
  section { overflow-x: auto; margin-bottom: 2rem; }
  table { border-collapse: collapse; }
  th, td { border: 1px solid #d5d8df; padding: .3rem .6rem; text-align: left; vertical-align: top; }
  td { max-width: 24rem; overflow-wrap: anywhere; }
  th { background: #f2f4f8; white-space: nowrap; }
  code, small { color: #5b616e; }
</style>
<h1>Stand-in Airtable</h1>
<p>Base <code>{{ base_id }}</code>, token <code>{{ token }}</code>;
what can be made to go wrong: <a href="/_control/">/_control/</a></p>
{% for table, records in tables %}
<section>
  <h2>{{ table.name }} <small>{{ records|length }}</small></h2>
  <table>
    <tr><th>id</th>{% for field in table.fields %}<th>{{ field.name }}</th>{% endfor %}</tr>
    {% for id, fields in records.items() %}
    <tr id="{{ id }}"><td><code>{{ id }}</code></td>
      {% for field in table.fields %}<td>
        {%- for link in cells(field, fields.get(field.name)) -%}
          {% if link.href %}<a href="{{ link.href }}">{{ link.text }}</a>{% else %}{{ link.text }}{% endif %}
          {%- if not loop.last %}<br>{% endif %}
        {%- endfor -%}
      </td>{% endfor %}
    </tr>
    {% endfor %}
  </table>
</section>
{% endfor %}
</html>
"""


def routes(served: Served) -> Blueprint:
    """The one page."""
    page = Blueprint("page", __name__)

    @page.get("/")
    def tables() -> str:
        shown = [(table, served.base.all(table.name)) for table in served.base.tables()]
        return render_template_string(_PAGE, base_id=served.base_id, token=served.token, tables=shown, cells=_links)

    return page


def _links(field: Field, value: object) -> list[dict[str, str]]:
    """What stands in a cell, line by line, each with where it leads, empty for nowhere."""
    match field.type, value:
        case (_, None):
            return []
        case (FieldType.ATTACHMENTS, list()):
            return [_attachment(one) for one in value]
        case (FieldType.LINKS, list()):
            return [{"text": one, "href": f"#{one}"} for one in value]
    text = str(value)
    return [{"text": text, "href": text if text.startswith(("http://", "https://")) else ""}]


def _attachment(shown: Mapping[str, object]) -> dict[str, str]:
    size = f" ({shown['size']} bytes, {shown['type']})" if "size" in shown else " (not fetched)"
    return {"text": f"{shown['filename']}{size}", "href": str(shown["url"])}
