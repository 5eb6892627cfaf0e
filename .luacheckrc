std = "luajit"
max_line_length = 110
globals = { "lt" }
ignore = { "212/self", "581" }  -- methods that need no self; not (x >= y) is how NaN is caught
files["tests"] = { std = "luajit+busted" }
exclude_files = { "build*", "tests/golden" }
