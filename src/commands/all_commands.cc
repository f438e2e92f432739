// SPDX-License-Identifier: MIT
#include "commands/bench_decode_command.h"
#include "commands/bench_encode_command.h"
#include "commands/bench_pipeline.h"
#include "commands/command.h"
#include "commands/compare_command.h"
#include "commands/doctor.h"
#include "commands/embed.h"
#include "commands/experiment_command.h"
#include "commands/init_model.h"
#include "commands/object_store_command.h"
#include "commands/serve.h"

namespace photovec::commands {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(MakeServeCommand());
  commands.push_back(MakeEmbedCommand());
  commands.push_back(MakeExperimentCommand());
  commands.push_back(MakeBenchEncodeCommand());
  commands.push_back(MakeBenchDecodeCommand());
  commands.push_back(MakeBenchPipelineCommand());
  commands.push_back(MakeCompareCommand());
  commands.push_back(MakeObjectStoreCommand());
  commands.push_back(MakeInitModelCommand());
  commands.push_back(MakeDoctorCommand());
  return commands;
}

}  // namespace photovec::commands
