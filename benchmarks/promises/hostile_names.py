"""Names that would run, mark up or disguise something wherever they are read as more than text.

Whatever a name could become leaves a trace that :data:`TRACES` finds: a script sets ``window.ran``, markup leaves an
element of its own, a link or a picture names the host ``names.invalid``.
"""

from __future__ import annotations

import random
import unicodedata

HOST = "names.invalid"
RUN = "window.ran=1"
NAMES = (
    # HTML: in text, out of attributes, out of elements whose content is raw, decoded twice
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg/onload={RUN}><animate onbegin={RUN} attributeName=x>",
    f'"><b class=ran onclick={RUN}>',
    f"'onfocus='{RUN}' autofocus tabindex=1 x='",
    f"</style></title></textarea></script><script>{RUN}</script>",
    f'<iframe srcdoc="<script>parent.{RUN}</script>">',
    f'<a class=ran href="javascript:{RUN}">go</a>',
    f"&lt;img src=x onerror={RUN}&gt;",
    f"&#60;b class=ran&#62;&#x3c;img src=x onerror={RUN}&#x3e;",
    "<!--><b class=ran>--><?x ?><![CDATA[<b class=ran>]]>",
    '<math><mtext></mtext><mglyph><style><b class="ran">',
    f"<link rel=stylesheet href=https://{HOST}/a.css><base href=https://{HOST}/>",
    # Markdown
    f"[go](javascript:{RUN})",
    f"![x](https://{HOST}/a.png)",
    f"https://{HOST}/bare and <https://{HOST}/angle>",
    "**qbold** _qslant_ ~~qgone~~ `qcode`",
    "# qhead",
    "1. qitem\n2. qitem\n\n---\n> qitem",
    "| qcell | qcell |\n|---|---|\n| qcell | qcell |",
    # formulas
    r"$\frac{1}{2}$ and \(x\) and \[y\]",
    rf"$$\href{{javascript:{RUN}}}{{x}}\htmlClass{{ran}}{{y}}$$",
    # Streamlit's own signs
    ":material/skull: :skull: :streamlit:",
    ":red[qred] :blue-background[qred] :small[qred] :red-badge[qred]",
    "a -> b <- c <-> d -- e >= f != g",
    # Plotly's tags and templates
    "<b>qbold</b><i>qslant</i><br><sup>qsup</sup><span style='color:red'>qred</span>",
    f'<a href="https://{HOST}/plotly">qlink</a><a href="javascript:{RUN}">qlink</a>',
    "%{y}%{customdata[0]}%{x|%Y}<extra>qextra</extra>",
    # templates, objects and addresses
    "{{ 7*7 }}{% raw %}{{ ''.__class__.__mro__ }}{# #}",
    f"${{{RUN}}}#{{7*7}}<%= 7*7 %>",
    "__proto__",
    "constructor.prototype.toString",
    f"javascript:{RUN}//",
    "../../../../etc/passwd%2e%2e%2f\\\\host\\share",
    f'=HYPERLINK("https://{HOST}/sheet";"x")',
    # characters that are not seen, and too many that are
    "\u202egpj.exe\u202c \u2067txen\u2069\u200f",
    "zero\u200bwidth\ufeffjoin\u200d\u00ad\u2060er",
    "bell\x07\x1b[31mred\x1b]8;;https://names.invalid\x1b\\\x85\x00end\r\n\u2028\u2029",
    "Z\u0351\u0321" + "\u0336\u0489" * 60 + "algo",
    "long" + "·and·longer" * 400,
)  # fmt: skip

_ROOTS = """
    const roots = [document];  // components draw in trees of their own
    for (const root of roots) {
        roots.push(...[...root.querySelectorAll('*')].map(one => one.shadowRoot).filter(Boolean));
    }
    const all = kinds => roots.flatMap(root => [...root.querySelectorAll(kinds)]);
"""
TRACES = rf"""() => {{
    {_ROOTS}
    const found = [], short = one => one.outerHTML.slice(0, 120);
    if (window.ran) found.push('a script ran');
    const ours = one => one.closest('.q-formula');
    for (const one of all('.ran, [onerror], [onload], [onclick], [onbegin], [onfocus], .katex')) {{
        if (!ours(one)) found.push('an element: ' + short(one));
    }}
    for (const one of all('a, img, link, iframe, base, image, use')) {{
        const leads = ['href', 'src', 'srcdoc', 'xlink:href'].map(name => one.getAttribute(name) || '').join(' ');
        if (/names\.invalid|javascript:|window\.ran/i.test(leads)) found.push('a link: ' + short(one));
    }}
    const words = /^\s*(q(bold|slant|gone|code|head|item|cell|red|sup|link|extra)|skull|💀)\s*$/;
    const unseen = /.{{0,40}}[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff].{{0,40}}/;
    for (const root of roots) {{
        const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        while (walk.nextNode()) {{
            const at = walk.currentNode.parentElement, text = walk.currentNode.data;
            // Streamlit's own chip of a file that is on its way; Plotly's own sign for no text.
            if (at?.closest('script, style, title, .stFileChipName') || text === '\u200b') continue;
            if (words.test(text)) found.push('marked up: ' + text);
            const part = text.match(unseen);
            if (part) found.push('not seen: ' + JSON.stringify(part[0]) + ' in ' + at?.className);
        }}
    }}
    return found;
}}"""
"""What of it came to something on a page, in JavaScript: a list of sentences, empty where all names stayed text that
can be seen."""
LISTED = f"""() => {{
    {_ROOTS}
    return all('tbody tr').map(one => one.getAttribute('aria-label') ?? one.dataset.name ?? '');
}}"""
"""The names of the rows of all tables."""
TITLED = "() => [...document.querySelectorAll('[title]')].map(one => one.title)"
"""What stands beside shortened names when they are pointed at."""


def fuzzed(dice: random.Random) -> str:
    """Any Unicode, in between pieces of the names that are known to do something."""
    parts = []
    for _ in range(dice.randint(1, 8)):
        if dice.random() < 0.4:
            known = dice.choice(NAMES)
            start = dice.randrange(len(known))
            parts.append(known[start : start + dice.randint(1, 40)])
        else:
            parts.append("".join(_character(dice) for _ in range(dice.randint(1, 12))))
    return "".join(parts)


def _character(dice: random.Random) -> str:
    while True:
        one = chr(dice.choice((dice.randrange(0x100), dice.randrange(0x3000), dice.randrange(0x110000))))
        if unicodedata.category(one) != "Cs":
            return one
