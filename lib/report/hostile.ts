/**
 * What a model may say to whoever shows its words in a page; for the tests of this room.
 *
 * Run as code, each of those that can would set `__pwned`.
 *
 * @module
 */
export const HOSTILE: readonly string[] = [
  "<script>window.__pwned = 1</script>",
  "</script><script>window.__pwned = 1</script>",
  "</style><script>window.__pwned = 1</script>",
  "</title></textarea></noscript></template><script>window.__pwned = 1</script>",
  "<SCRIPT/x>window.__pwned = 1</SCRIPT>",
  "<scr\0ipt>window.__pwned = 1</scr\0ipt>",
  "<<script>window.__pwned = 1//<</script>",
  "<script src=data:text/javascript,window.__pwned=1></script>",
  "<img src=x onerror=window.__pwned=1>",
  "<img src='x' onerror='window.__pwned = 1' alt=\"",
  '"><img src=x onerror="window.__pwned = 1">',
  "'><img src=x onerror='window.__pwned = 1'>",
  "` onmouseover=window.__pwned=1 x=`",
  '" autofocus onfocus="window.__pwned = 1" tabindex="1',
  "<svg onload=window.__pwned=1>",
  "<svg><script>window.__pwned = 1</script></svg>",
  "</svg><svg/onload=window.__pwned=1><text>",
  "<svg><animate onbegin=window.__pwned=1 attributeName=x dur=1s>",
  "<svg><foreignObject><body onload=window.__pwned=1></foreignObject></svg>",
  "<math><mtext><table><mglyph><style><img src=x onerror=window.__pwned=1>",
  "<body onload=window.__pwned=1>",
  "<details open ontoggle=window.__pwned=1><summary>x</summary></details>",
  "<video><source onerror=window.__pwned=1></video>",
  "<iframe srcdoc='<script>parent.__pwned = 1</script>'></iframe>",
  "<object data='data:text/html,<script>parent.__pwned=1</script>'></object>",
  "<a href='javascript:window.__pwned=1'>click</a>",
  "javascript:window.__pwned=1//",
  "<form action='javascript:window.__pwned=1'><button autofocus>go</button></form>",
  "<base href='https://example.com/'><link rel=stylesheet href='https://example.com/x.css'>",
  "<meta http-equiv=refresh content='0;url=javascript:window.__pwned=1'>",
  "<style>@import 'https://example.com/x.css'; * { display: none !important }</style>",
  "red; background: url(https://example.com/x); } * { display: none } var(--x",
  "${window.__pwned = 1} {{constructor.constructor('window.__pwned = 1')()}} <%= 1 %>",
  "<!-- --><!--><script>window.__pwned = 1</script>-->",
  "<![CDATA[<script>window.__pwned = 1</script>]]>",
  "&lt;script&gt;window.__pwned = 1&lt;/script&gt; &#x3c;img src=x onerror=window.__pwned=1&#x3e; &amp",
  "\u001b]8;;https://example.com\u0007link\u001b]8;;\u0007\u001b[2J\u001b[31mred\u001b[0m\u009b31m\b\b\r",
  "user\u202e\u2066 nimda\u2069\u202c \u200b\u2060\ufeff\u{e0041}\u{e0042} \u061c\u2028\u2029 end",
  "NUL \0 half \ud83d pair \udc00 end \uffff",
  `<img src=x onerror=window.__pwned=1>${"A<b>&\"'".repeat(2 ** 17)}`, // 1 MB
];
