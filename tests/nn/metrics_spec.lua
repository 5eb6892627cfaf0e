-- lt.metrics against counts made by hand.
local lt = require "luatrain"
local metrics = lt.metrics

local logits = lt.tensor { { 3, 1, 0 }, { 0, 2, 1 }, { 1, 0, 2 }, { 5, 4, 3 } }
local targets = lt.tensor({ 0, 1, 1, 2 }, "i64")

describe("accuracy", function()
  it("is a percentage of scores or ids", function()
    assert.are.equal(50, metrics.accuracy(logits, targets))
    assert.are.equal(75, metrics.accuracy(lt.tensor({ 0, 1, 1, 0 }, "i64"), targets))
  end)

  it("leaves ignored targets out", function()
    assert.are.equal(100, metrics.accuracy(logits, lt.tensor({ 0, 1, -100, -100 }, "i64")))
    assert.are.equal(0, metrics.accuracy(logits, lt.tensor({ -100, -100, -100, -100 }, "i64")))
  end)

  it("counts the k best", function()
    assert.are.equal(50, metrics.topk_accuracy(logits, targets, 1))
    assert.are.equal(50, metrics.topk_accuracy(logits, targets, 2))
    assert.are.equal(100, metrics.topk_accuracy(logits, targets, 3))
    assert.are.equal(100, metrics.topk_accuracy(logits, targets))
  end)

  it("does not call equal scores right", function()
    local flat = lt.zeros(2, 3)
    assert.are.equal(50, metrics.topk_accuracy(flat, lt.tensor({ 0, 1 }, "i64"), 1))
    assert.are.equal(50, metrics.accuracy(flat, lt.tensor({ 0, 1 }, "i64")))
  end)

  it("takes sequences", function()
    local x = lt.tensor { { { 1, 0 }, { 0, 1 } }, { { 1, 0 }, { 1, 0 } } }
    assert.are.equal(75, metrics.accuracy(x, lt.tensor({ { 0, 1 }, { 0, 1 } }, "i64")))
  end)

  it("refuses shapes and ids that do not fit", function()
    assert.has_error(function() metrics.accuracy(logits, lt.zeros(3)) end)
    assert.has_error(function() metrics.topk_accuracy(logits, lt.full({ 4 }, 3), 1) end)
  end)
end)

describe("the confusion matrix", function()
  it("has truth in rows", function()
    local m = metrics.confusion_matrix(logits, targets)
    assert.are.equal("i64", m:dtype())
    assert.are.same({ { 1, 0, 0 }, { 0, 1, 1 }, { 1, 0, 0 } }, m:tolist())
    local ids = metrics.confusion_matrix(lt.tensor({ 1, 1 }, "i64"), lt.tensor({ 0, 1 }, "i64"),
      { num_classes = 3 })
    assert.are.same({ { 0, 1, 0 }, { 0, 1, 0 }, { 0, 0, 0 } }, ids:tolist())
  end)

  it("refuses classes outside", function()
    assert.has_error(function()
      metrics.confusion_matrix(lt.tensor({ 3 }, "i64"), lt.tensor({ 0 }, "i64"), { num_classes = 3 })
    end)
  end)

  it("gives precision, recall, f1 and support", function()
    local m = metrics.per_class_metrics(logits, targets)
    assert.are.same({ 0.5, 1, 0 }, m.precision)
    assert.are.same({ 1, 0.5, 0 }, m.recall)
    assert.are.same({ 1, 2, 1 }, m.support)
    assert.is_true(math.abs(m.f1[1] - 2 / 3) < 1e-12 and math.abs(m.f1[2] - 2 / 3) < 1e-12)
    assert.are.equal(0.5, m.macro.recall)
  end)
end)

describe("MetricsTracker", function()
  it("averages losses by size and counts answers", function()
    local tracker = metrics.MetricsTracker()
    tracker:update({ total_loss = 1 }, { root = logits }, { root = targets }, 4)
    tracker:update({ total_loss = lt.tensor(4) }, { root = logits:narrow(1, 1, 2) },
      { root = targets:narrow(1, 1, 2) }, 2)
    local m = tracker:get_metrics()
    assert.are.equal(2, m.total_loss)
    assert.is_true(math.abs(m.root_acc - 400 / 6) < 1e-9)
    assert.are.equal("total_loss 2.0000  root_acc 66.7%", tracker:summary())
    tracker:reset()
    assert.are.same({}, tracker:get_metrics())
  end)

  it("has running averages", function()
    local a = metrics.Average()
    a:update(1, 3)
    a:update(5)
    assert.are.equal(2, a:value())
    a:reset()
    assert.are.equal(0, a:value())
  end)
end)
