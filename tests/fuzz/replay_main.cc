// Runs a fuzz target as an ordinary, repeatable test: every corpus file, then mutations of them
// from a fixed seed. usage: fuzz_NAME CORPUS-DIRECTORY [MUTATIONS [SEED]]
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Input = std::vector<uint8_t>;

std::vector<Input> ReadCorpus(const char* directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Input> inputs;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

// One to four changes: flipped bit, other byte, cut, repeated tail, random bytes put in.
Input Mutate(Input input, std::mt19937_64& random) {
  const auto below = [&](size_t n) {
    return static_cast<size_t>(random() % std::max<size_t>(n, 1));
  };
  for (size_t changes = 1 + below(4); changes > 0; --changes) {
    if (input.empty()) input.push_back(static_cast<uint8_t>(random()));
    const size_t at = below(input.size());
    switch (below(5)) {
      case 0:
        input[at] ^= static_cast<uint8_t>(1u << below(8));
        break;
      case 1:
        input[at] = static_cast<uint8_t>(random());
        break;
      case 2:
        input.resize(at);
        break;
      case 3: {
        const Input tail(input.begin() + static_cast<ptrdiff_t>(at), input.end());
        input.insert(input.end(), tail.begin(), tail.end());
        break;
      }
      default:
        for (size_t n = 1 + below(8); n > 0; --n) {
          input.insert(input.begin() + static_cast<ptrdiff_t>(at), static_cast<uint8_t>(random()));
        }
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS-DIRECTORY [MUTATIONS [SEED]]\n", argv[0]);
    return 2;
  }
  const std::vector<Input> corpus = ReadCorpus(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s holds no inputs\n", argv[1]);
    return 1;
  }
  for (const Input& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  const long mutations = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 100'000;
  std::mt19937_64 random(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
  for (long n = 0; n < mutations; ++n) {
    const Input input = Mutate(corpus[random() % corpus.size()], random);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu inputs, %ld mutations\n", corpus.size(), mutations);
  return 0;
}
