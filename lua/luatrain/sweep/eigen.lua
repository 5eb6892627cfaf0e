--- Eigenvalues and eigenvectors of a small symmetric matrix, by Jacobi's cyclic rotations (G. H. Golub, C. F.
-- Van Loan, "Matrix computations", section 8.5).
local eigen = {}

local abs, sqrt = math.abs, math.sqrt

-- Makes a[p][q] zero by a rotation in the plane of p and q.
local function rotate(a, v, p, q)
  local n, apq = #a, a[p][q]
  local theta = (a[q][q] - a[p][p]) / (2 * apq)
  local t = (theta >= 0 and 1 or -1) / (abs(theta) + sqrt(theta * theta + 1))
  local c = 1 / sqrt(t * t + 1)
  local s = t * c
  for k = 1, n do
    local x, y = a[k][p], a[k][q]
    a[k][p], a[k][q] = c * x - s * y, s * x + c * y
  end
  local rp, rq = a[p], a[q]
  for k = 1, n do
    local x, y = rp[k], rq[k]
    rp[k], rq[k] = c * x - s * y, s * x + c * y
  end
  for k = 1, n do
    local x, y = v[k][p], v[k][q]
    v[k][p], v[k][q] = c * x - s * y, s * x + c * y
  end
end

--- @param matrix a list of rows; it is left as it is
-- @return the eigenvalues, in no order, and the eigenvectors: vectors[i][k] is element i of the k-th
function eigen.symmetric(matrix)
  local n, a, v = #matrix, {}, {}
  local scale = 0
  for i = 1, n do
    a[i], v[i] = {}, {}
    for j = 1, n do
      a[i][j], v[i][j] = matrix[i][j], i == j and 1 or 0
      scale = scale + matrix[i][j] ^ 2
    end
  end
  for _ = 1, 50 do
    local off = 0
    for p = 1, n - 1 do
      for q = p + 1, n do off = off + a[p][q] ^ 2 end
    end
    if off <= 1e-30 * scale then break end
    for p = 1, n - 1 do
      for q = p + 1, n do
        if abs(a[p][q]) > 1e-300 then rotate(a, v, p, q) end
      end
    end
  end
  local values = {}
  for i = 1, n do values[i] = a[i][i] end
  return values, v
end

return eigen
