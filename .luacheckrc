std = "luajit"
max_line_length = 110
globals = { "lt" }
files["tests"] = { std = "luajit+busted" }
exclude_files = { "build*", "tests/golden" }
