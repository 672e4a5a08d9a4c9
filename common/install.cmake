# What `cmake --install build/release [--prefix DIR]` puts where, beside the programs (p2p_program in build.cmake).
set(P2P_DOC_DIR ${CMAKE_INSTALL_DATAROOTDIR}/doc/p2p-broadcast)
set(P2P_UNIT_DIR lib/systemd/system CACHE STRING "Where systemd's unit files go, below the prefix")

foreach(unit p2p-control-server p2p-udp-relay)
  # The units name the programs by their whole path, which is known only when the prefix is.
  install(CODE "
    get_filename_component(CMAKE_INSTALL_PREFIX \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
    set(P2P_BIN \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
    set(P2P_DOC \"\${CMAKE_INSTALL_PREFIX}/${P2P_DOC_DIR}\")
    configure_file(${PROJECT_SOURCE_DIR}/deploy/systemd/${unit}.service
      \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${P2P_UNIT_DIR}/${unit}.service\" @ONLY)
    list(APPEND CMAKE_INSTALL_MANIFEST_FILES \"\${CMAKE_INSTALL_PREFIX}/${P2P_UNIT_DIR}/${unit}.service\")")
endforeach()
install(FILES README.md LICENSE DESTINATION ${P2P_DOC_DIR})
install(DIRECTORY docs DESTINATION ${P2P_DOC_DIR} FILES_MATCHING PATTERN "*.md")  # README links to docs/.
install(FILES deploy/systemd/server.toml DESTINATION ${CMAKE_INSTALL_DATADIR}/p2p-broadcast)
install(DIRECTORY proto DESTINATION ${CMAKE_INSTALL_DATADIR}/p2p-broadcast
  FILES_MATCHING PATTERN "*.proto" PATTERN "*.md")
