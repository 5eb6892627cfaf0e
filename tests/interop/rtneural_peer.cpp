// Plays the examples of files that lt.export.rtneural wrote with RTNeural itself, in floats and in doubles, one
// frame at a time, each example from a reset and then all again. A line for each file: the largest difference in
// floats, in doubles, and between the two passes in floats. After --rewrite it puts RTNeural's doubles into the
// files as the outputs that are expected.
#include <RTNeural/RTNeural.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

template <typename T>
static std::vector<double> play(RTNeural::Model<T> &model, const nlohmann::json &examples, double &worst)
{
    std::vector<double> all;
    for (const auto &example : examples) {
        const auto &inputs = example["inputs"], &outputs = example["outputs"];
        model.reset();
        for (size_t t = 0; t < inputs.size(); t++) {
            alignas(64) T frame[4096] = {};
            auto x = inputs[t].get<std::vector<T>>();
            std::copy(x.begin(), x.end(), frame);
            model.forward(frame);
            if (t + outputs.size() < inputs.size()) continue;
            auto wanted = outputs[t + outputs.size() - inputs.size()].get<std::vector<double>>();
            for (size_t i = 0; i < wanted.size(); i++) {
                double y = model.getOutputs()[i];
                worst = std::max(worst, std::isfinite(y) ? std::abs(y - wanted[i]) : INFINITY);
                all.push_back(y);
            }
        }
    }
    return all;
}

// Puts `values` into the outputs of the examples, in order.
static void rewrite(const char *path, nlohmann::json json, const std::vector<double> &values)
{
    size_t k = 0;
    for (auto &example : json["luatrain"]["examples"])
        for (auto &frame : example["outputs"])
            for (auto &value : frame) value = values[k++];
    std::ofstream(path) << json.dump() << "\n";
}

int main(int count, char **paths)
{
    bool rewrites = count > 1 && std::string(paths[1]) == "--rewrite";
    for (int i = rewrites ? 2 : 1; i < count; i++) {
        std::ifstream file(paths[i]);
        auto json = nlohmann::json::parse(file);
        auto floats = RTNeural::json_parser::parseJson<float>(json);
        auto doubles = RTNeural::json_parser::parseJson<double>(json);
        if (!floats || !doubles) {
            printf("%s: not loaded\n", paths[i]);
            return 1;
        }
        const auto &examples = json["luatrain"]["examples"];
        double worst = 0, exact = 0, ignored = 0, again = 0;
        auto first = play(*floats, examples, worst);
        auto second = play(*floats, examples, ignored);
        auto values = play(*doubles, examples, exact);
        if (rewrites) rewrite(paths[i], json, values);
        for (size_t k = 0; k < first.size(); k++) again = std::max(again, std::abs(first[k] - second[k]));
        printf("%s %g %g %g %zu\n", paths[i], worst, exact, again, first.size());
    }
    return 0;
}
