--- The normal distribution, its logarithms safe in the tails, for the densities of TPE and importance.
local ffi = require "ffi"

ffi.cdef "double erfc(double x); double log1p(double x);"
local C = ffi.C

local normal = {}

local exp, log, sqrt = math.exp, math.log, math.sqrt
local SQRT_HALF = sqrt(0.5)
local LOG_SQRT_2PI = 0.5 * log(2 * math.pi)
normal.LOG_SQRT_2PI = LOG_SQRT_2PI

--- The probability of a value below x.
local function cdf(x)
  return 0.5 * C.erfc(-x * SQRT_HALF)
end
normal.cdf = cdf

--- The logarithm of cdf(x), to full precision also where cdf(x) is 0 or 1 in a double. Below -14 by the
-- asymptotic series (Abramowitz and Stegun 26.2.12).
local function log_cdf(x)
  if x > 6 then return C.log1p(-cdf(-x)) end
  if x > -14 then return log(cdf(x)) end
  local r = 1 / (x * x)
  local series = 1 - r * (1 - r * (3 - r * (15 - r * (105 - r * 945))))
  return -0.5 * x * x - log(-x) - LOG_SQRT_2PI + log(series)
end
normal.log_cdf = log_cdf

-- log(e^x - e^y), x > y.
local function log_difference(x, y)
  return x + C.log1p(-exp(y - x))
end

--- The logarithm of the probability of a value from a to b (a < b); in the right tail it is taken on
-- the left, where the numbers are small.
function normal.log_mass(a, b)
  if a >= b then return -math.huge end
  if b <= 0 then return log_difference(log_cdf(b), log_cdf(a)) end
  if a > 0 then return log_difference(log_cdf(-a), log_cdf(-b)) end
  return C.log1p(-cdf(a) - cdf(-b))
end

-- The x with cdf(x) = p for p <= 0.5: the start of Abramowitz and Stegun 26.2.23 (off by 4.5e-4 at
-- most), then three steps of Halley's method.
local function lower_quantile(p)
  local t = sqrt(-2 * log(p))
  local x = (2.515517 + t * (0.802853 + t * 0.010328))
    / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t
  for _ = 1, 3 do
    local u = (cdf(x) - p) * exp(0.5 * x * x + LOG_SQRT_2PI)
    x = x - u / (1 + 0.5 * x * u)
  end
  return x
end

--- The x with cdf(x) = p, 0 < p < 1; infinite at 0 and 1.
function normal.quantile(p)
  if p <= 0 then return -math.huge end
  if p >= 1 then return math.huge end
  if p <= 0.5 then return lower_quantile(p) end
  return -lower_quantile(1 - p)
end

--- The value below which the share u of a standard normal truncated to [a, b] lies, for an interval
-- with a <= 0 <= b (so that no tail has to be inverted).
function normal.truncated_quantile(u, a, b)
  local x
  local left, right = cdf(a), cdf(-b)
  local p = left + u * (1 - left - right)
  if p <= 0.5 then
    x = normal.quantile(p)
  else
    x = -normal.quantile(right + (1 - u) * (1 - left - right))
  end
  return math.max(a, math.min(b, x))
end

return normal
