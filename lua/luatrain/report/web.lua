--- Pages that hold everything they show: one HTML file without links to others, to be sent or kept as it is.
--
--   local web = lt.report.web
--   fs.write("index.html", web.page("Results", {
--     web.heading "Scores",
--     web.table({"", "precision", "recall"}, {{"dog", "0.90", "0.80"}}),
--     web.paragraph "All of it was measured on files never heard.",
--     web.picture(fs.read "dashboard.png", "bars of the scores", "Scores of each class."),
--   }))
--
-- Texts are escaped; what these functions return is HTML and goes to web.page as it is.
local bit = require "bit"
local ffi = require "ffi"

local web = {}

local ESCAPES = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;"}

--- A text as it stands in HTML, also inside an attribute.
function web.escape(text) return (tostring(text):gsub("[&<>\"']", ESCAPES)) end

local ALPHABET = ffi.new("uint8_t[64]",
  {("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):byte(1, 64)})

--- Bytes in base 64 (RFC 4648).
function web.base64(bytes)
  local n = #bytes
  local out = ffi.new("uint8_t[?]", math.ceil(n / 3) * 4)
  local at = 0
  local source = ffi.cast("const uint8_t *", bytes)
  for i = 0, n - 1, 3 do
    local b, c = i + 1 < n and source[i + 1] or 0, i + 2 < n and source[i + 2] or 0
    local word = source[i] * 65536 + b * 256 + c
    for k = 0, 3 do out[at + k] = ALPHABET[bit.band(bit.rshift(word, 18 - 6 * k), 63)] end
    at = at + 4
  end
  local text = ffi.string(out, at)
  local short = (3 - n % 3) % 3
  return short == 0 and text or text:sub(1, -1 - short) .. ("="):rep(short)
end

--- A headline; level 2 (default) to 6.
function web.heading(text, level)
  return ("<h%d>%s</h%d>"):format(level or 2, web.escape(text), level or 2)
end

--- A paragraph.
function web.paragraph(text) return "<p>" .. web.escape(text) .. "</p>" end

--- A list of definitions: {{word, what it means}, ...}.
function web.definitions(list)
  local parts = {"<dl>"}
  for _, one in ipairs(list) do
    parts[#parts + 1] = ("<dt>%s</dt><dd>%s</dd>"):format(web.escape(one[1]), web.escape(one[2]))
  end
  parts[#parts + 1] = "</dl>"
  return table.concat(parts, "\n")
end

--- A table: header and rows are lists of texts or numbers; the first column is a name, the others are set
-- to the right.
function web.table(header, rows)
  local parts = {'<div class="wide"><table>'}
  local function row(cells, tag)
    local line = {}
    for i, cell in ipairs(cells) do line[i] = ("<%s>%s</%s>"):format(tag, web.escape(cell), tag) end
    return "<tr>" .. table.concat(line) .. "</tr>"
  end
  parts[2] = "<thead>" .. row(header, "th") .. "</thead><tbody>"
  for _, cells in ipairs(rows) do parts[#parts + 1] = row(cells, "td") end
  parts[#parts + 1] = "</tbody></table></div>"
  return table.concat(parts, "\n")
end

--- A picture held in the page: the bytes of a PNG file, what it shows for people who do not see it, and a
-- caption (default: none).
function web.picture(bytes, shows, caption)
  return ('<figure><img src="data:image/png;base64,%s" alt="%s">%s</figure>'):format(web.base64(bytes),
    web.escape(shows), caption and "<figcaption>" .. web.escape(caption) .. "</figcaption>" or "")
end

local STYLE = [[
body{font:16px/1.5 system-ui,sans-serif;color:#1c1c1c;background:#fff;max-width:1540px;margin:2em auto;
padding:0 1.5em}
h1{font-size:1.7em;margin-bottom:.2em} h2{margin-top:2em;border-bottom:1px solid #ddd}
p,dd,figcaption{max-width:60em} dt{font-weight:600} dd{margin:0 0 .5em 1.5em}
.wide{overflow-x:auto} table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.2em .9em;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0} thead th{border-bottom:2px solid #999}
figure{margin:1em 0} img{max-width:100%;height:auto} figcaption{color:#555}]]

--- A whole page from its title and its parts. style: more rules of CSS (default: none).
function web.page(title, parts, style)
  return ([[
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%s</title>
<style>
%s
</style></head><body>
<h1>%s</h1>
%s
</body></html>
]]):format(web.escape(title), STYLE .. (style and "\n" .. style or ""), web.escape(title),
    table.concat(parts, "\n"))
end

return web
